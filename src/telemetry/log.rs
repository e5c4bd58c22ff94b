//! The log: lines on standard error, as text for people or as JSON for machines.

use std::io::IsTerminal as _;
use std::sync::{Mutex, OnceLock, PoisonError};

use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use crate::telemetry::audit::AUDIT_TARGET;
use crate::telemetry::traces::{TRACE_TARGET, Traces};

/// Target of the access lines, one per request. On at level `info` unless the filter names it.
pub const ACCESS_TARGET: &str = "access";

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogForm {
    /// For people; in colour on a terminal.
    Text,
    /// One JSON object per line.
    Json,
}

/// Why the log could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The filter is not understood.
    #[error("log: {filter:?} is not a filter such as info or warn,access=off: {detail}")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        detail: String,
    },
    /// The process has a log already.
    #[error("the log is set up twice")]
    Twice,
    /// There is no log whose filter could be changed.
    #[error("the log is not set up")]
    Absent,
}

/// The filter of the process's log, which can be replaced, and as it was given.
struct Filter {
    handle: Handle<EnvFilter, Registry>,
    text: Mutex<String>,
}

static FILTER: OnceLock<Filter> = OnceLock::new();

/// Sets up the log of the process, and its traces if it makes any.
///
/// # Errors
/// `Filter` if the filter is not understood, `Twice` if there is a log already.
pub fn init(form: LogForm, filter: &str, traces: Option<&Traces>) -> Result<(), LogError> {
    let (text, (filter, handle)) = (filter.to_owned(), reload::Layer::new(build_filter(filter)?));
    let registry = tracing_subscriber::registry();
    let outcome = match traces {
        None => registry.with(filter).with(lines(form)).try_init(),
        // Each with a filter of its own: what is logged does not decide what is traced.
        Some(traces) => registry.with(lines(form).with_filter(filter)).with(traces.layer()).try_init(),
    };
    outcome.map_err(|_| LogError::Twice)?;
    FILTER.set(Filter { handle, text: Mutex::new(text) }).map_err(|_| LogError::Twice)
}

fn lines<S>(form: LogForm) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    match form {
        LogForm::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogForm::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    }
}

/// What is logged, as it was given last; `None` if there is no log.
pub fn filter() -> Option<String> {
    FILTER.get().map(|filter| filter.text.lock().unwrap_or_else(PoisonError::into_inner).clone())
}

/// Logs something else from now on, until the process ends.
///
/// # Errors
/// `Filter` if the filter is not understood, and then nothing changes; `Absent`.
pub fn set_filter(text: &str) -> Result<(), LogError> {
    let new = build_filter(text)?;
    let filter = FILTER.get().ok_or(LogError::Absent)?;
    // One after the other, so that the text that is told is that of the filter that counts.
    let mut told = filter.text.lock().unwrap_or_else(PoisonError::into_inner);
    filter.handle.reload(new).map_err(|_| LogError::Absent)?;
    text.clone_into(&mut told);
    Ok(())
}

/// Access and audit lines stay on under a filter such as `warn`, which is meant for our own events; `access=off`
/// switches them off. The spans of traces are no business of the log: without traces nobody makes them.
fn build_filter(text: &str) -> Result<EnvFilter, LogError> {
    let names = |wanted: &str| {
        let target = |directive: &str| directive.split(['=', '[']).next().is_some_and(|name| name.trim() == wanted);
        text.split(',').any(target)
    };
    let levels = [(ACCESS_TARGET, "info"), (AUDIT_TARGET, "info"), (TRACE_TARGET, "off")];
    let unnamed = levels.into_iter().filter(|(target, _)| !names(target));
    let full = unnamed.fold(text.to_owned(), |full, (target, level)| format!("{full},{target}={level}"));
    EnvFilter::builder()
        .parse(&full)
        .map_err(|error| LogError::Filter { filter: text.to_owned(), detail: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::build_filter;

    #[test]
    fn access_lines_are_on_unless_the_filter_names_them() {
        for (given, expected) in [
            ("info", "access=info,audit=info,otlp=off,info"),
            ("warn,sluicegate::meta=debug", "sluicegate::meta=debug,access=info,audit=info,otlp=off,warn"),
            ("warn,access=off", "access=off,audit=info,otlp=off,warn"),
            ("access=debug,audit=off", "access=debug,audit=off,otlp=off"),
        ] {
            let filter = build_filter(given).expect("a legal filter").to_string();
            let mut parts: Vec<_> = filter.split(',').collect();
            let mut wanted: Vec<_> = expected.split(',').collect();
            parts.sort_unstable();
            wanted.sort_unstable();
            assert_eq!(parts, wanted, "{given}");
        }
    }

    #[test]
    fn a_filter_that_makes_no_sense_is_refused() {
        assert!(build_filter("a=b=c").is_err());
        assert!(build_filter("sluicegate=loud").is_err());
    }
}
