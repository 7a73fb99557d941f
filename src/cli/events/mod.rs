//! Events as operators read them: a line of text, or JSON with every field.

mod filter;
mod json;
mod line;
pub(super) mod when;

pub(super) use filter::{Filter, FilterArgs, NAMES};
pub(super) use json::fields;
pub(super) use line::line;

use crowdfold_events::{Event, EventSeq, Height, StoredEvent};
use serde_json::{Value, json};

/// An event with its place in the chain.
pub(super) struct Shown<'a> {
    /// Its number.
    pub(super) seq: EventSeq,
    /// The block that it belongs to; 0 for the genesis.
    pub(super) height: Height,
    /// The block's time in milliseconds since the Unix epoch.
    pub(super) time_ms: u64,
    /// As stored.
    pub(super) stored: &'a StoredEvent,
    /// Decoded; `None` for what this program does not know.
    pub(super) event: Option<&'a Event>,
}

impl Shown<'_> {
    /// One line for a person.
    pub(super) fn text(&self) -> String {
        let what = match self.event {
            Some(event) => line(event),
            None => format!(
                "type {} version {}, unknown to this program, {} bytes",
                self.stored.event_type(),
                self.stored.event_version(),
                self.stored.as_bytes().len()
            ),
        };
        format!("{:>9}  block {:<7} {what}", self.seq.0, self.height.0)
    }

    /// All fields.
    pub(super) fn json(&self) -> Value {
        let (name, fields) = self.event.and_then(fields).unzip();
        let mut value = json!({
            "seq": self.seq,
            "height": self.height,
            "time_ms": self.time_ms,
            "type": name,
            "tag": self.stored.event_type(),
            "version": self.stored.event_version(),
            "fields": fields,
        });
        if self.event.is_none() {
            value["bytes"] = Value::String(format!("0x{}", hex::encode(self.stored.as_bytes())));
        }
        value
    }
}
