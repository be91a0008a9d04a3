//! Structured log lines on standard error, by `tracing`. Which requests were let in and which were not is
//! `audit`'s to say. What a client sent goes into an event by its `Debug` form, which escapes line ends;
//! the JSON format escapes them in any case.

use crate::config::{self, LogFormat};
use std::io::IsTerminal;
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{EnvFilter, Layer, Registry, reload};

/// Logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The level is not a filter.
    #[error("{level:?} is not a log level: {why}")]
    Level {
        /// As it stands in the configuration.
        level: String,
        /// What is wrong with it.
        why: String,
    },
    /// It was set up before.
    #[error("logging is set up already: {0}")]
    Twice(#[from] TryInitError),
    /// The handle outlived what it belongs to.
    #[error("the log level cannot be changed: {0}")]
    Gone(#[from] reload::Error),
}

/// Changes the level of a log that is in use.
#[derive(Debug, Clone)]
pub struct LevelHandle(reload::Handle<EnvFilter, Registry>);

impl LevelHandle {
    /// Puts another filter in the place of the one in use.
    ///
    /// # Errors
    /// When it is not a filter; the one in use stays.
    pub fn set(&self, level: &str) -> Result<(), LogError> {
        Ok(self.0.reload(filter(level)?)?)
    }
}

/// Sends every event of this process to standard error from now on.
///
/// # Errors
/// When the level is not a filter, or logging was set up before.
pub fn init(config: &config::Log) -> Result<LevelHandle, LogError> {
    let colours = std::io::stderr().is_terminal();
    let (subscriber, handle) = subscriber(config, colours, std::io::stderr)?;
    subscriber.try_init()?;
    Ok(handle)
}

fn subscriber<W>(
    config: &config::Log,
    colours: bool,
    writer: W,
) -> Result<(impl Subscriber + Send + Sync + use<W>, LevelHandle), LogError>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let (filter, handle) = reload::Layer::new(filter(&config.level)?);
    let lines = tracing_subscriber::fmt::layer().with_writer(writer).with_ansi(colours);
    let lines = match config.format {
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
        LogFormat::Text => lines.boxed(),
    };
    Ok((tracing_subscriber::registry().with(filter).with(lines), LevelHandle(handle)))
}

/// Reads a filter such as `info` or `info,wicketgate=debug`.
fn filter(level: &str) -> Result<EnvFilter, LogError> {
    let wrong = |why: String| LogError::Level { level: level.to_owned(), why };
    // `tracing` takes a word that is no level for the name of a module, so that `inof` would silence
    // everything.
    let parts: Vec<&str> = level.split(',').map(str::trim).collect();
    let is_level = |part: &str| !part.is_empty() && part.parse::<LevelFilter>().is_ok();
    let strange = |part: &&&str| !is_level(part) && !part.contains(['=', '[']);
    if let Some(part) = parts.iter().find(strange) {
        return Err(wrong(format!(
            "write trace, debug, info, warn, error or off, or MODULE=LEVEL instead of {part:?}"
        )));
    }
    EnvFilter::builder().parse(parts.join(",")).map_err(|error| wrong(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Lines {
        fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(octets)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Lines {
        fn take(&self) -> String {
            String::from_utf8(std::mem::take(&mut *self.0.lock().unwrap())).unwrap()
        }
    }

    fn config(format: LogFormat, level: &str) -> config::Log {
        config::Log { format, level: level.to_owned(), audit: None, access: None }
    }

    #[test]
    fn a_level_that_would_silence_the_log_is_refused() {
        let cases = [
            ("info", true),
            ("OFF", true),
            ("warn,wicketgate=debug", true),
            ("wicketgate::proxy=trace, hyper=off", true),
            ("inof", false),
            ("", false),
            ("info,", false),
            ("wicketgate", false),
            ("wicketgate=loud", false),
            ("info,[", false),
        ];
        for (level, expected) in cases {
            assert_eq!(filter(level).is_ok(), expected, "{level}");
        }
    }

    #[test]
    fn a_line_is_one_json_object_whatever_it_says() {
        let written = Lines::default();
        let lines = written.clone();
        let (subscriber, _) = subscriber(&config(LogFormat::Json, "info"), false, move || lines.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(client = %"a\n{\"level\":\"INFO\"}", "refused");
            tracing::debug!("not asked for");
        });
        let text = written.take();
        assert_eq!(text.lines().count(), 1, "{text}");
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(line["message"], "refused");
        assert_eq!(line["client"], "a\n{\"level\":\"INFO\"}");
        assert_eq!(line["level"], "INFO");
        assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
    }

    #[test]
    fn the_level_can_be_changed_while_the_log_is_in_use() {
        let written = Lines::default();
        let lines = written.clone();
        let (subscriber, level) = subscriber(&config(LogFormat::Text, "warn"), false, move || lines.clone()).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!("one");
            level.set("info").unwrap();
            tracing::info!("two");
            assert!(level.set("inof").is_err());
            tracing::info!("three");
        });
        let text = written.take();
        assert!(!text.contains("one") && text.contains("two") && text.contains("three"), "{text}");
    }
}
