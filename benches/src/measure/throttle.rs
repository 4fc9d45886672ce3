//! The processor time that Lambda gives to a function of 128 MB.
//!
//! Lambda gives a function a share of each 20 ms in proportion to its memory: a whole processor at 1,769 MB. Here a process
//! that has used its share is stopped until the period ends.

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
/// The share of 128 MB, where 1,769 MB have one processor.
const SHARE: Duration = Duration::from_micros(20_000 * 128 / 1_769);
/// The interval between two checks of the process.
const POLL: Duration = Duration::from_micros(100);

/// Limits a process to its share, until this is dropped.
pub struct Throttle {
    ended: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Throttle {
    /// Starts to limit the process.
    #[must_use]
    pub fn new(pid: Pid) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let ended_flag = Arc::clone(&ended);
        let thread = thread::spawn(move || while !ended_flag.load(Ordering::Relaxed) && period(pid).is_some() {});
        Self { ended, thread: Some(thread) }
    }
}

impl Drop for Throttle {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // The thread returns nothing. It ends with the period, or with the process.
            drop(thread.join());
        }
    }
}

/// Limits the process during one period. `None` if the process has ended.
fn period(pid: Pid) -> Option<()> {
    let (started, used_before) = (clock::now(), proc::processor_time(pid).ok()?);
    while started.elapsed() < PERIOD {
        if proc::processor_time(pid).ok()?.saturating_sub(used_before) >= SHARE {
            kill_process(pid, Signal::STOP).ok()?;
            thread::sleep(PERIOD.saturating_sub(started.elapsed()));
            return kill_process(pid, Signal::CONT).ok();
        }
        thread::sleep(POLL);
    }
    Some(())
}
