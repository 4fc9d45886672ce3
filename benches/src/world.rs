//! Worlds: a fake AWS with a practice and patients, which the functions themselves create.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use xtask::workspace::Workspace;

use crate::{
    aws::Aws,
    ca::Authority,
    lambda::{Process, Program},
    scenario::{self, Patient, Scenario, Stage},
    template::Template,
    variant::Variant,
};

/// Everything that is needed to create worlds.
pub struct Bench {
    /// The repository.
    pub workspace: Workspace,
    /// The certificate authority that programs trust.
    pub authority: Authority,
    /// The template.
    pub template: Template,
    /// Our functions, which create the data.
    pub functions: Variant,
    /// The functions that are measured in them.
    pub measured: Variant,
}

/// A practice and its patients, and the number of events that the measured program has got.
pub struct World {
    /// The fake AWS.
    pub aws: Aws,
    scenario: &'static Scenario,
    patients: Vec<Patient>,
    events: usize,
}

impl Bench {
    /// The file for a program's output.
    #[must_use]
    pub fn log(&self, program: &Program) -> PathBuf {
        self.workspace.local().join(format!("bench/{}-{}.log", program.variant, program.function))
    }

    /// The program of a variant's function, in the environment that the template gives it.
    ///
    /// # Errors
    /// If the template does not have the function.
    pub fn program(&self, variant: &Variant, function: &str, aws: &Aws) -> Result<Option<Program>> {
        let template = self.template.environment(function, &aws.endpoint())?;
        Ok(variant.program(function, template, aws, &self.authority))
    }

    /// Creates a world for a number of events of a scenario. Each event is about another patient. If an event is about
    /// several patients, all events are about the same ones.
    ///
    /// # Errors
    /// If a function fails to create its data.
    pub async fn world(&self, scenario: &'static Scenario, events: usize, patients_each: usize) -> Result<World> {
        let aws = Aws::start(&self.authority, &self.template).await?;
        let count = if patients_each > 1 { patients_each } else { events };
        let mut patients: Vec<Patient> = (1..=count)
            .map(|number| {
                let id = format!("p-{number:05}");
                Patient { email: format!("{id}@example.com"), id, message: None, mail: None }
            })
            .collect();
        let stages = [
            (Stage::Practice, "practice"),
            (Stage::Saved, "patients"),
            (Stage::Invited, "invite"),
            (Stage::Sent, "sender"),
            (Stage::Registered, "register"),
        ];
        let stages = stages.into_iter().filter(|(stage, _)| *stage <= scenario.stage).map(|(_, function)| function);
        for function in stages.chain(scenario.after) {
            let patients = if function == "practice" { patients.get_mut(..1) } else { patients.get_mut(..) };
            self.seed(&aws, function, patients.unwrap_or_default())
                .await
                .with_context(|| format!("creating data with {function}"))?;
        }
        if scenario.minutes_before > 0 {
            aws.dynamo().advance_time(scenario.minutes_before * 60_000)?;
        }
        drop(aws.take_counts());
        Ok(World { aws, scenario, patients, events: 0 })
    }

    /// Creates data by one event of a function for each patient.
    async fn seed(&self, aws: &Aws, function: &str, patients: &mut [Patient]) -> Result<()> {
        let scenario = scenario::find(function)?;
        let program = self.program(&self.functions, function, aws)?.context("the function is not built")?;
        let mut process = Process::start(&program, &[], self.log(&program)).await?;
        process.ready().await?;
        let samples = self.workspace.path("events");
        for (number, patient) in patients.iter_mut().enumerate() {
            scenario.check(&process.invoke(&scenario.event(&samples, patient, number)?).await?.answer)?;
            patient.message = aws.take_messages().pop().or(patient.message.take());
            patient.mail = aws.take_mails().pop().or(patient.mail.take());
        }
        Ok(())
    }
}

impl World {
    /// The next event.
    ///
    /// # Errors
    /// If there are no patients left for it.
    pub fn next_event(&mut self, bench: &Bench) -> Result<serde_json::Value> {
        let patient = if self.scenario.patients_each > 1 {
            self.aws.dynamo().advance_time(self.scenario.minutes_before * 60_000)?;
            self.patients.first()
        } else {
            self.patients.get(self.events)
        };
        let patient = patient.context("there are too few patients")?;
        self.events += 1;
        // A number that `seed` has not used, because a request with a known id would get the earlier answer.
        self.scenario.event(&bench.workspace.path("events"), patient, 100_000 + self.events)
    }
}
