//! The processor time that Lambda gives to a function of 128 MB.
//!
//! Lambda's scheduler gives a function so much of each 20 ms, by its memory: a whole processor at 1,769 MB. Here a process
//! that has used its share is stopped until the period is over.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use xtask::clock;

use crate::proc;

const PERIOD: Duration = Duration::from_millis(20);
/// 128 MB of the 1,769 that come with one processor.
const SHARE: Duration = Duration::from_micros(20_000 * 128 / 1_769);
/// How often the process is looked at.
const LOOK: Duration = Duration::from_micros(100);

/// Holds a process to its share until it is dropped.
pub struct Throttle {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Throttle {
    /// Begins a period.
    #[must_use]
    pub fn new(pid: Pid) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let watched = Arc::clone(&ended);
        let thread = thread::spawn(move || while !watched.load(Ordering::Relaxed) && period(pid).is_some() {});
        Self { ended, thread: Some(thread) }
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has nothing to say: it ends with the period, or with the process.
            drop(thread.join());
        }
    }
}

/// One period. `None` if the process has ended.
fn period(pid: Pid) -> Option<()> {
    let (begun, used_before) = (clock::now(), proc::processor_time(pid).ok()?);
    while begun.elapsed() < PERIOD {
        if proc::processor_time(pid).ok()?.saturating_sub(used_before) >= SHARE {
            kill_process(pid, Signal::STOP).ok()?;
            thread::sleep(PERIOD.saturating_sub(begun.elapsed()));
            return kill_process(pid, Signal::CONT).ok();
        }
        thread::sleep(LOOK);
    }
    Some(())
}
