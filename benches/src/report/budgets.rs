//! The budgets, and whether the measurements meet them.

use crate::{
    measure::{Measured, figure},
    report::Run,
    variant::OURS,
};

/// One budget.
pub struct Budget {
    /// The figure that is limited.
    pub what: String,
    /// Its unit.
    pub unit: &'static str,
    /// The limit.
    pub limit: Limit,
    /// The measured value.
    pub measured: f64,
    /// The details, such as the function with the worst value.
    pub detail: String,
    /// Significant decimal places.
    pub places: usize,
}

/// The limit of a figure.
#[derive(Clone, Copy)]
pub enum Limit {
    /// At most the first value. The second one is the aim.
    AtMost(f64, Option<f64>),
    /// At least this.
    AtLeast(f64),
}

impl Budget {
    /// Whether the budget is met.
    #[must_use]
    pub fn is_met(&self) -> bool {
        match self.limit {
            Limit::AtMost(most, _) => self.measured <= most,
            Limit::AtLeast(least) => self.measured >= least,
        }
    }
}

/// The budgets of all figures that were measured.
#[must_use]
pub fn budgets(run: &Run) -> Vec<Budget> {
    let mut budgets = start_budgets(run);
    budgets.extend(warm_call_budgets(run));
    budgets.extend(aws_budgets(run));
    budgets.extend(peer_budgets(run));
    budgets
}

/// The budgets of starts and packages, each for the function with the worst value.
fn start_budgets(run: &Run) -> Vec<Budget> {
    let mut budgets = Vec::new();
    let mut worst = |what: &str, unit, places, most: f64, aim: Option<f64>, figure: fn(&Measured) -> Option<f64>| {
        let figures: Vec<_> = run.ours().filter_map(|measured| Some((figure(measured)?, &measured.function))).collect();
        let within = figures.iter().filter(|(figure, _)| *figure <= most).count();
        if let Some((measured, function)) = figures.iter().max_by(|(one, _), (other, _)| one.total_cmp(other)) {
            let detail = format!("most: {function}; {within} of {} within", figures.len());
            budgets.push(Budget {
                what: what.to_owned(),
                unit,
                limit: Limit::AtMost(most, aim),
                measured: *measured,
                detail,
                places,
            });
        }
    };
    worst("instructions, exec to first answer", "million", 2, 20.0, Some(8.0), |measured| {
        Some(millions(measured.instructions?.cold))
    });
    worst("the same, trusting all that the machine does", "million", 2, 20.0, Some(8.0), |measured| {
        Some(millions(measured.instructions_with_machines_trust?))
    });
    worst("peak memory", "MB", 1, 12.0, None, |measured| Some(millions(measured.peak_memory_bytes)));
    worst("binary", "MB", 1, 8.0, None, |measured| Some(millions(measured.package_bytes)));
    worst("zip", "MB", 2, 3.5, None, |measured| Some(millions(measured.zip_bytes)));
    budgets
}

fn warm_call_budgets(run: &Run) -> Vec<Budget> {
    let mut budgets = Vec::new();
    for measured in run.ours().filter(|measured| measured.is_http()) {
        let calls = measured.aws_calls();
        let Some(instructions) = measured.instructions.filter(|_| calls > 0.0) else { continue };
        let further = 0.5 * (calls - 1.0);
        budgets.push(Budget {
            what: format!("instructions, warm call of {}", measured.function),
            unit: "million",
            limit: Limit::AtMost(0.8 + further, Some(0.65 + further)),
            measured: millions(instructions.warm),
            detail: format!("{calls} AWS calls"),
            places: 3,
        });
    }
    for measured in run.ours().filter(|measured| (measured.aws_calls() - 1.0).abs() < f64::EPSILON) {
        let Some(system_calls) = measured.system_calls else { continue };
        budgets.push(Budget {
            what: format!("system calls, warm call of {}", measured.function),
            unit: "calls",
            limit: Limit::AtMost(16.0, None),
            measured: system_calls,
            detail: "1 AWS call".to_owned(),
            places: 1,
        });
    }
    budgets
}

fn aws_budgets(run: &Run) -> Vec<Budget> {
    let mut budgets = Vec::new();
    for (function, most) in
        [("status", 1.0), ("track-login", 2.0), ("invite", 3.0), ("reinvite", 3.0), ("sender", 3.0), ("sweep", 1.1)]
    {
        let Some(measured) = run.ours().find(|measured| measured.function == function) else { continue };
        budgets.push(Budget {
            what: format!("AWS calls of {function}"),
            unit: "calls",
            limit: Limit::AtMost(most, None),
            measured: measured.aws_calls_per_record(),
            detail: if measured.records_each > 1 {
                format!("a record, of {}", measured.records_each)
            } else {
                String::new()
            },
            places: 2,
        });
    }
    let writes = |function: &str| run.ours().find(|measured| measured.function == function).map(Measured::write_units);
    if let Some((invite, sender)) = writes("invite").zip(writes("sender")) {
        budgets.push(Budget {
            what: "write units, from invite to stamped".to_owned(),
            unit: "units",
            limit: Limit::AtMost(18.0, Some(14.0)),
            measured: invite + sender,
            detail: format!("invite {invite}, sender {sender}"),
            places: 1,
        });
    }
    budgets.push(Budget {
        what: "cost of a million invitations, without SES's $100".to_owned(),
        unit: "$",
        limit: Limit::AtMost(13.0, Some(8.0)),
        measured: run.dollars_per_million,
        detail: "`cargo xtask cost`".to_owned(),
        places: 2,
    });
    budgets
}

fn peer_budgets(run: &Run) -> Vec<Budget> {
    let mut budgets = Vec::new();
    for (peer, cpu) in [("Python", 40.0), ("Node", 25.0)] {
        for measured in run.measured.iter().filter(|measured| measured.variant.starts_with(peer)) {
            let Some(ours) = run.ours().find(|ours| ours.function == measured.function) else { continue };
            let mut times = |what: &str, least, measured| {
                budgets.push(Budget {
                    what: format!("{what} of {peer} for ours, {}", ours.function),
                    unit: "times",
                    limit: Limit::AtLeast(least),
                    measured,
                    detail: String::new(),
                    places: 1,
                });
            };
            times("processor time, cold,", cpu, measured.cold_cpu_times(ours));
            times("peak memory", 4.0, figure(measured.peak_memory_bytes) / figure(ours.peak_memory_bytes));
        }
    }
    budgets
}

/// A count in millions.
#[must_use]
pub fn millions(count: u64) -> f64 {
    figure(count) / 1e6
}

impl Run {
    /// The measurements of our own functions.
    pub fn ours(&self) -> impl Iterator<Item = &Measured> {
        self.measured.iter().filter(|measured| measured.variant == OURS)
    }
}
