//! The crate `tracing`.

use std::error::Error as StdError;
use std::fmt;

use tracing_core::field::{Field, Visit};
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Event, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, Scope};

use super::Outlet;
use super::fields::Text;
use crate::protocol::level::Level;
use crate::session::external::PipesContext;

/// Brings what the program logs with the crate `tracing` to Dagster.
///
/// `error!` arrives as `ERROR`, `warn!` as `WARNING`, `info!` as `INFO`, `debug!` and `trace!` as
/// `DEBUG`. Fields stand behind the message, spans before it: `load{table=orders}: rows read
/// rows=12`. All levels are sent unless a filter stands before the layer.
///
/// ```no_run
/// use ironpipe::logging::TracingLayer;
/// use tracing::{info, level_filters::LevelFilter};
/// use tracing_subscriber::{Layer, layer::SubscriberExt, util::SubscriberInitExt};
///
/// fn main() -> std::process::ExitCode {
///     ironpipe::run(|pipes| {
///         let layer = TracingLayer::new(pipes).with_filter(LevelFilter::INFO);
///         tracing_subscriber::registry().with(layer).try_init()?;
///         info!(rows = 12, "rows read");
///         Ok(())
///     })
/// }
/// ```
///
/// A worker that serves one session after the other puts the layer of each into a
/// `tracing_subscriber::reload` layer, or uses `tracing::subscriber::with_default`.
///
/// A channel of your own may log; what it logs while it writes a message is not sent. If it has
/// other threads do its work and waits for them, keep what those log away from here.
#[derive(Clone)]
pub struct TracingLayer {
    outlet: Outlet,
    target: bool,
    spans: bool,
}

impl TracingLayer {
    /// A layer for this session.
    pub fn new(pipes: &PipesContext) -> TracingLayer {
        TracingLayer {
            outlet: Outlet::new(pipes),
            target: false,
            spans: true,
        }
    }

    /// Whether the target of an event, most often the module that logs, stands before its message.
    /// It does not by default.
    #[must_use]
    pub fn with_target(mut self, target: bool) -> TracingLayer {
        self.target = target;
        self
    }

    /// Whether the spans around an event stand before its message. They do by default.
    #[must_use]
    pub fn with_spans(mut self, spans: bool) -> TracingLayer {
        self.spans = spans;
        self
    }
}

impl fmt::Debug for TracingLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TracingLayer").finish_non_exhaustive()
    }
}

/// The fields of a span, kept with it.
struct SpanFields(Visitor);

/// Takes the fields of an event or a span.
#[derive(Default)]
struct Visitor(Text);

impl Visit for Visitor {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        match field.name() {
            "message" => self.0.message(format_args!("{value:?}")),
            // Of a record of the crate `log`: where it comes from.
            name if name.starts_with("log.") => {}
            name => self.0.raw_field(name, format_args!("{value:?}")),
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.0.message(format_args!("{value}")),
            name if name.starts_with("log.") => {}
            name => self.0.field(name, value),
        }
    }

    fn record_error(&mut self, field: &Field, value: &(dyn StdError + 'static)) {
        self.record_str(field, &value.to_string());
    }
}

impl<S: Subscriber + for<'lookup> LookupSpan<'lookup>> Layer<S> for TracingLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && self.spans
        {
            let mut fields = Visitor::default();
            attributes.record(&mut fields);
            span.extensions_mut().replace(SpanFields(fields));
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(SpanFields(fields)) = span.extensions_mut().get_mut()
        {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        if !self.outlet.is_open() {
            return;
        }
        let mut prefix = String::new();
        let scope = context.event_scope(event).filter(|_| self.spans);
        for span in scope.into_iter().flat_map(Scope::from_root) {
            prefix.push_str(span.name());
            if let Some(SpanFields(fields)) = span.extensions().get() {
                let fields = fields.0.to_string();
                if !fields.is_empty() {
                    prefix.push_str(&format!("{{{fields}}}"));
                }
            }
            prefix.push_str(": ");
        }
        let metadata = event.metadata();
        if self.target {
            prefix.push_str(metadata.target());
            prefix.push_str(": ");
        }
        let mut fields = Visitor::default();
        event.record(&mut fields);
        let level = match *metadata.level() {
            tracing_core::Level::ERROR => Level::Error,
            tracing_core::Level::WARN => Level::Warning,
            tracing_core::Level::INFO => Level::Info,
            _ => Level::Debug,
        };
        prefix.push_str(&fields.0.to_string());
        self.outlet.send(level, &prefix);
    }
}
