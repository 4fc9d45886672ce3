//! Logs: lines of JSON on standard output, which Lambda sends to CloudWatch.
//!
//! Logs contain ids and no personal data, at every level:
//!
//! * Libraries log at WARN and above only, because below it the SDK logs requests with their bodies.
//! * A panic is logged with its location and without its message, which can quote input.
//! * Release builds contain no log lines below INFO.

use std::{panic, str::FromStr as _};

use tracing::{
    Level, Subscriber,
    level_filters::LevelFilter,
    subscriber::{SetGlobalDefaultError, set_global_default},
};
use tracing_subscriber::{
    Layer as _,
    filter::Targets,
    fmt::{self, MakeWriter},
    layer::SubscriberExt as _,
    registry::Registry,
};

/// Starts logging for this process. `function` is the crate of the function, which logs at `level`.
///
/// # Errors
/// If logging has been started before.
pub fn start(function: &str, level: Option<&str>) -> Result<(), SetGlobalDefaultError> {
    set_global_default(subscriber(function, level, std::io::stdout))?;
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "panicked");
    }));
    Ok(())
}

fn subscriber<W>(function: &str, level: Option<&str>, writer: W) -> impl Subscriber + use<W>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // Lambda has one more level than `tracing`, FATAL, which is treated as ERROR.
    let ours = level.map_or(Level::INFO, |level| Level::from_str(level).unwrap_or(Level::ERROR));
    let filter = Targets::new()
        .with_default(LevelFilter::from_level(ours).min(LevelFilter::WARN))
        // The runtime's span of an invocation adds the request id and the trace id to every line.
        .with_target("lambda_runtime::layers::trace", LevelFilter::INFO)
        .with_targets([("portal", ours), ("portal_aws", ours), (function, ours)]);
    let json = fmt::layer().json().flatten_event(true).with_span_list(false).with_ansi(false).with_writer(writer);
    Registry::default().with(json.with_filter(filter))
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(level: Option<&str>, work: impl FnOnce()) -> Vec<serde_json::Value> {
        let lines = Lines::default();
        let writer = lines.clone();
        tracing::subscriber::with_default(subscriber("sender", level, move || writer.clone()), work);
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn messages(level: Option<&str>) -> Vec<String> {
        let lines = logged(level, || {
            tracing::debug!(target: "aws_smithy_runtime::client", "a request with its body");
            tracing::warn!(target: "aws_smithy_runtime::client", "library warning");
            tracing::debug!(target: "sender", "function detail");
            tracing::info!(target: "portal_aws::queue", "adapter message");
            tracing::error!("test failure");
        });
        lines.iter().map(|line| line["message"].as_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_level_setting_applies_to_own_crates_and_libraries_log_warnings_at_most() {
        assert_eq!(messages(None), ["library warning", "adapter message", "test failure"]);
        #[cfg(debug_assertions)] // release builds contain no lines below INFO: `Cargo.toml`
        assert_eq!(messages(Some("TRACE")), ["library warning", "function detail", "adapter message", "test failure"]);
        assert_eq!(messages(Some("WARN")), ["library warning", "test failure"]);
        assert_eq!(messages(Some("FATAL")), ["test failure"]);
    }

    #[test]
    fn a_line_has_the_members_that_lambda_reads_and_the_ids_of_its_span() {
        let lines = logged(None, || {
            let span = tracing::info_span!(target: "lambda_runtime::layers::trace", "invoke", requestId = "r-1");
            span.in_scope(|| tracing::info!(invitation = "i-1", "mail accepted"));
        });
        let line = &lines[0];
        assert_eq!(line["level"], "INFO");
        assert_eq!(line["message"], "mail accepted");
        assert_eq!(line["invitation"], "i-1");
        assert_eq!(line["span"]["requestId"], "r-1");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }
}
