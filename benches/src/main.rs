//! The benchmarks. See `benches/README.md`.

mod aws;
mod ca;
mod lambda;
mod proc;
mod scenario;
mod template;
mod variant;
mod world;

use std::path::PathBuf;
use anyhow::{Context as _, Result};
use xtask::workspace::Workspace;

#[tokio::main]
async fn main() -> Result<()> {
    let workspace = Workspace::locate()?;
    let names: Vec<String> = scenario::SCENARIOS.iter().map(|s| s.function.to_owned()).collect();
    let binaries = PathBuf::from(std::env::args().nth(1).context("binaries")?);
    let bench = world::Bench {
        authority: ca::Authority::new(&workspace)?,
        template: template::Template::read()?,
        functions: variant::Variant::ours(&binaries, &names),
        workspace,
    };
    for scenario in &scenario::SCENARIOS {
        let n: usize = 20;
        let run = async {
            let mut world = bench.world(scenario, n + 1).await?;
            let program = bench.program(&bench.functions, scenario.function, &world.aws)?.context("no")?;
            let mut process = lambda::Process::start(&program, &[], bench.log(&program)).await?;
            let ready = process.ready().await?;
            let first = process.invoke(&world.next_event(&bench)?).await?;
            scenario.check(&first.answer)?;
            let cold = world.aws.take_counts();
            let cpu0 = proc::processor_time(process.pid())?;
            let mut took = vec![];
            for _ in 0..n { let a = process.invoke(&world.next_event(&bench)?).await?; scenario.check(&a.answer)?; took.push(a.took); }
            let counts = world.aws.take_counts();
            scenario.check_calls(&counts, n.try_into()?)?;
            took.sort();
            eprintln!("{}: ready {:?} first {:?} cpu {:?} warm {:?} cpu {:?} mem {} {:?} {:?}", scenario.function, ready, first.since_start, cpu0, took.get(n/2), (proc::processor_time(process.pid())? - cpu0)/20, proc::peak_memory(process.pid())?, cold, counts);
            anyhow::Ok(())
        };
        if let Err(e) = run.await { eprintln!("{}: FAILED {e:#}", scenario.function) }
    }
    Ok(())
}
