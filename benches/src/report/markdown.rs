//! The figures as tables.

use std::fmt::Write as _;

use anyhow::Result;

use super::{
    Run,
    budgets::{Budget, Limit, millions},
};
use crate::{measure::Measured, throughput::Throughput, variant::OURS};

/// The whole document.
///
/// # Errors
/// Never, because writing to a string cannot fail.
pub fn tables(run: &Run, budgets: &[Budget]) -> Result<String> {
    let mut text = String::from(
        "# Benchmarks\n\nWritten by `cargo xtask bench`; `benches/README.md` says what is measured, and how. Figures that end in\n\
         \"times\" are medians of ratios of runs that followed each other. MB are millions of bytes.\n\n",
    );
    writeln!(text, "Measured on {} x {}, {}.\n", run.processors, run.processor, run.compiler)?;
    writeln!(text, "![The figures as a picture](results.svg)\n\n## Budgets\n")?;
    writeln!(text, "| budget | limit | measured | | |\n| --- | ---: | ---: | --- | --- |")?;
    for budget in budgets {
        let Budget { what, unit, limit, measured, detail, places } = budget;
        let limit = match limit {
            Limit::AtMost(most, Some(aim)) => {
                format!("{most:.places$} (aim {aim:.places$})", places = limit_places(*places))
            }
            Limit::AtMost(most, None) => format!("{most:.places$}", places = limit_places(*places)),
            Limit::AtLeast(least) => format!("at least {least}"),
        };
        let mark = if budget.is_met() { "met" } else { "**missed**" };
        writeln!(text, "| {what} | {limit} | {measured:.places$} {unit} | {mark} | {detail} |")?;
    }
    cold(&mut text, run)?;
    warm(&mut text, run)?;
    aws_calls(&mut text, run)?;
    throttled(&mut text, run)?;
    peers(&mut text, run)?;
    throughput(&mut text, run)?;
    Ok(text)
}

/// Limits are round numbers.
const fn limit_places(places: usize) -> usize {
    if places > 2 { 2 } else { places }
}

fn name(measured: &Measured) -> String {
    if measured.variant == OURS {
        measured.function.clone()
    } else {
        format!("{}, {}", measured.function, measured.variant)
    }
}

fn cold(text: &mut String, run: &Run) -> Result<()> {
    writeln!(
        text,
        "\n## Starts\n\nFrom `exec` to the first request for an event, and to the first answer, with {} starts each.\n\n\
         | function | first `next`, ms | first answer, ms | processor, ms | instructions, million | with the machine's certificates | memory, MB | connections | package, MB | zip, MB |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        run.measured.first().map_or(0, |measured| measured.cold.starts)
    )?;
    for measured in &run.measured {
        let cold = &measured.cold;
        writeln!(
            text,
            "| {} | {:.1} | {:.1} | {:.1} | {} | {} | {:.1} | {} | {:.1} | {:.2} |",
            name(measured),
            cold.first_next_millis,
            cold.first_answer_millis,
            cold.cpu_millis,
            optional(measured.instructions.map(|count| millions(count.cold)), 2),
            optional(measured.instructions_with_machines_trust.map(millions), 2),
            millions(cold.peak_memory_bytes),
            cold.aws.connections,
            millions(measured.package_bytes),
            millions(measured.zip_bytes),
        )?;
    }
    Ok(())
}

fn warm(text: &mut String, run: &Run) -> Result<()> {
    writeln!(
        text,
        "\n## Warm calls\n\nFrom handing over an event to its answer, of {} calls each, including the time of the fake AWS.\n\n\
         | function | p50, µs | p95, µs | p99, µs | processor, µs | instructions, million | system calls | memory, MB |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
        run.measured.first().map_or(0, |measured| measured.warm.calls)
    )?;
    for measured in &run.measured {
        let warm = &measured.warm;
        writeln!(
            text,
            "| {} | {:.0} | {:.0} | {:.0} | {:.0} | {} | {} | {:.1} |",
            name(measured),
            warm.p50_micros,
            warm.p95_micros,
            warm.p99_micros,
            warm.cpu_micros,
            optional(measured.instructions.map(|count| millions(count.warm)), 3),
            optional(measured.system_calls, 1),
            millions(measured.peak_memory_bytes),
        )?;
    }
    Ok(())
}

fn aws_calls(text: &mut String, run: &Run) -> Result<()> {
    writeln!(
        text,
        "\n## AWS calls of a warm call\n\n\
         | function | calls | | bytes sent | bytes received | read units | write units |\n\
         | --- | ---: | --- | ---: | ---: | ---: | ---: |"
    )?;
    for measured in &run.measured {
        let operations: Vec<String> = measured
            .warm
            .aws
            .calls
            .iter()
            .map(|(operation, calls)| match measured.each(*calls) {
                1.0 => operation.clone(),
                each => format!("{each} x {operation}"),
            })
            .collect();
        let aws = &measured.warm.aws;
        writeln!(
            text,
            "| {} | {} | {} | {:.0} | {:.0} | {} | {} |",
            name(measured),
            measured.aws_calls(),
            operations.join(", "),
            measured.each(aws.bytes_sent),
            measured.each(aws.bytes_received),
            measured.read_units(),
            measured.write_units(),
        )?;
    }
    Ok(())
}

fn throttled(text: &mut String, run: &Run) -> Result<()> {
    if run.measured.iter().all(|measured| measured.throttled.is_none()) {
        return Ok(());
    }
    writeln!(
        text,
        "\n## With the processor time of 128 MB\n\nThe start has a whole processor, as in Lambda. From the first event on, a\n\
         program that has used its share of 20 ms is stopped until they end.\n\n\
         | function | first answer, ms | of it the first call, ms | warm p50, µs | warm p99, µs |\n\
         | --- | ---: | ---: | ---: | ---: |"
    )?;
    for measured in &run.measured {
        let Some(throttled) = &measured.throttled else { continue };
        writeln!(
            text,
            "| {} | {:.1} | {:.1} | {:.0} | {:.0} |",
            name(measured),
            throttled.first_answer_millis,
            throttled.first_call_millis,
            throttled.p50_micros,
            throttled.p99_micros,
        )?;
    }
    Ok(())
}

/// The other languages, as multiples of ours.
fn peers(text: &mut String, run: &Run) -> Result<()> {
    let others: Vec<&Measured> = run.measured.iter().filter(|measured| measured.variant != OURS).collect();
    if others.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "\n## The same functions in other languages, as multiples of ours\n\n\
         | function | processor, cold | first answer | processor, warm | warm p50 | memory | zip |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    )?;
    for other in others {
        let Some(ours) = run.ours().find(|ours| ours.function == other.function) else { continue };
        writeln!(
            text,
            "| {} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} | {:.1} |",
            name(other),
            other.cold_cpu_times(ours),
            other.cold.first_answer_millis / ours.cold.first_answer_millis,
            other.warm.cpu_micros / ours.warm.cpu_micros,
            other.warm.p50_micros / ours.warm.p50_micros,
            millions(other.peak_memory_bytes) / millions(ours.peak_memory_bytes),
            millions(other.zip_bytes) / millions(ours.zip_bytes),
        )?;
    }
    Ok(())
}

/// The throughput of one core.
fn throughput(text: &mut String, run: &Run) -> Result<()> {
    if run.throughput.is_empty() {
        return Ok(());
    }
    writeln!(
        text,
        "\n## Throughput\n\nThe operations in a process of their own, over TLS to the fake AWS, without Lambda and the HTTP edge; and the\n\
         function `sender`, ten mails a batch, with a mail service that takes longer for a mail by the given time. An environment\n\
         carries out one operation at a time and waits for AWS meanwhile; a core does not wait.\n\n\
         | what | times | each, ms | batch of ten, ms | processor, µs | a second, one environment | a second, one core |\n\
         | --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    )?;
    for Throughput { name, count, micros_each, batch_millis, processor_micros_each, a_second, a_second_a_core } in
        &run.throughput
    {
        writeln!(
            text,
            "| {name} | {count} | {:.2} | {} | {processor_micros_each:.0} | {a_second:.0} | {a_second_a_core:.0} |",
            micros_each / 1e3,
            optional(*batch_millis, 1),
        )?;
    }
    Ok(())
}

fn optional(figure: Option<f64>, places: usize) -> String {
    figure.map_or_else(String::new, |figure| format!("{figure:.places$}"))
}
