//! `crowdfold journal diff`: where two journals part, found by halving.
//!
//! Blocks end at the same numbers with the same heads as long as two journals
//! are the same, so a few frames of each are read, however long they are.

use std::{cell::Cell, fmt::Write as _, path::PathBuf};

use crowdfold_events::{EventSeq, Height, StoredEvent};
use crowdfold_journal::{FrameAt, Head, Reader};
use serde_json::{Value, json};

use super::{
    super::{Failure, Output, data::Data, unusable},
    failure, head_json, path_json,
    walk::{self, Block},
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    /// A node's data directory, or a journal's own.
    a: PathBuf,
    /// Another one.
    b: PathBuf,
    /// Take it as good when one is the beginning of the other.
    #[arg(long)]
    prefix: bool,
}

/// How two journals are related.
enum Relation {
    Equal,
    /// One ends where the other goes on: A if `a_ends`.
    Prefix {
        a_ends: bool,
    },
    /// They differ in what one of them has pruned.
    Before,
    /// From the block of these frames on; `None` where a journal has none.
    Differ {
        a: Box<FrameAt>,
        b: Box<FrameAt>,
    },
}

struct Side {
    path: PathBuf,
    reader: Reader,
    read: Cell<u64>,
}

impl Side {
    fn open(dir: &std::path::Path) -> Result<Self, Failure> {
        let data = Data::find(dir, None)?;
        let reader = Reader::open(&data.journal).map_err(failure)?;
        Ok(Self { path: data.journal, reader, read: Cell::new(0) })
    }

    fn locate(&self, seq: EventSeq) -> Result<FrameAt, Failure> {
        self.read.set(self.read.get() + 1);
        self.reader.locate(seq).map_err(failure)
    }

    /// The head at `seq`, if a block ends there.
    fn head_at(&self, seq: EventSeq) -> Result<Option<Head>, Failure> {
        let (floor, end) = (self.reader.floor().head, self.reader.head());
        if seq == floor.next {
            return Ok(Some(floor));
        }
        if seq < floor.next || seq > end.next {
            return Ok(None);
        }
        if seq == end.next {
            // HEAD is believed when the last frame is there.
            return Ok(Some(self.locate(EventSeq(seq.0 - 1))?.after).filter(|after| *after == end));
        }
        Ok(Some(self.locate(seq)?.before).filter(|before| before.next == seq))
    }
}

pub(super) fn run(args: &Args, output: Output) -> Result<(), Failure> {
    let (a, b) = (Side::open(&args.a)?, Side::open(&args.b)?);
    let (relation, common) = compare(&a, &b)?;
    let (value, text) = report(&a, &b, &relation, &common)?;
    output.result(&value, &text)?;
    match relation {
        Relation::Equal => Ok(()),
        Relation::Prefix { .. } if args.prefix => Ok(()),
        _ => Err(Failure::NotValid(format!("{} and {} differ", a.path.display(), b.path.display()))),
    }
}

/// How they are related, and the last place up to which they are known to be the same.
fn compare(a: &Side, b: &Side) -> Result<(Relation, Head), Failure> {
    let (ends, floors) = ((a.reader.head(), b.reader.head()), (a.reader.floor().head, b.reader.floor().head));
    let begin = if floors.0.next > floors.1.next { floors.0 } else { floors.1 };
    let end = if ends.0.next < ends.1.next { ends.0 } else { ends.1 };
    if begin.next > end.next {
        let said = format!("one begins at event {}, the other ends at event {}", begin.next, end.next);
        return Err(unusable("nothing to compare", said));
    }
    let same =
        |head: &Head| Ok::<_, Failure>(a.head_at(head.next)? == Some(*head) && b.head_at(head.next)? == Some(*head));
    if !same(&begin)? {
        return Ok((Relation::Before, begin));
    }
    if same(&end)? {
        let relation = if ends.0 == ends.1 { Relation::Equal } else { Relation::Prefix { a_ends: end == ends.0 } };
        return Ok((relation, end));
    }
    // The shorter one's frames: those that begin before `low` are the same, the
    // first that is not begins before `high` or at it.
    let (short, long) = if end == ends.0 { (a, b) } else { (b, a) };
    let (mut low, mut high, mut common) = (begin.next.0, end.next.0, begin);
    let mut found = None;
    while low < high {
        let frame = short.locate(EventSeq(low + (high - low) / 2))?;
        if long.head_at(frame.after.next)? == Some(frame.after) {
            (low, common) = (frame.after.next.0, frame.after);
        } else {
            high = frame.before.next.0;
            found = Some(frame);
        }
    }
    let first = match found {
        Some(frame) if frame.before.next.0 == low => frame,
        _ => short.locate(EventSeq(low))?,
    };
    let other = long.locate(EventSeq(low))?;
    let (first, other) = (Box::new(first), Box::new(other));
    let (a, b) = if end == ends.0 { (first, other) } else { (other, first) };
    Ok((Relation::Differ { a, b }, common))
}

fn report(a: &Side, b: &Side, relation: &Relation, common: &Head) -> Result<(Value, String), Failure> {
    let word = match relation {
        Relation::Equal => "equal",
        Relation::Prefix { a_ends: true } => "a_is_the_beginning_of_b",
        Relation::Prefix { a_ends: false } => "b_is_the_beginning_of_a",
        Relation::Before => "differ_before_what_is_kept",
        Relation::Differ { .. } => "differ",
    };
    let mut value = json!({
        "relation": word,
        "a": side_json(a),
        "b": side_json(b),
        "common": head_json(common),
    });
    let mut text = format!(
        "a          {}: events {} to {}\nb          {}: events {} to {}\n",
        a.path.display(),
        a.reader.floor().head.next,
        a.reader.head().next,
        b.path.display(),
        b.reader.floor().head.next,
        b.reader.head().next,
    );
    let said = match relation {
        Relation::Equal => format!("equal      head {}", common.hash),
        Relation::Prefix { a_ends } => {
            let (short, long) = if *a_ends { ("a", "b") } else { ("b", "a") };
            format!("beginning  {short} ends at event {}, {long} goes on; the same up to there", common.next)
        }
        Relation::Before => format!("DIFFERENT  before event {}, where one of them begins", common.next),
        Relation::Differ { a, b } => {
            let difference = Difference::of(a, b)?;
            value["block"] = json!(difference.height);
            value["seq"] = json!(difference.seq);
            value["a_event"] = difference.a.1.clone();
            value["b_event"] = difference.b.1.clone();
            difference.text(common)
        }
    };
    writeln!(text, "{said}").unwrap_or_default();
    write!(text, "read       {} frame(s) of a, {} of b", a.read.get(), b.read.get()).unwrap_or_default();
    Ok((value, text))
}

fn side_json(side: &Side) -> Value {
    json!({
        "journal": path_json(&side.path),
        "floor": head_json(&side.reader.floor().head),
        "head": head_json(&side.reader.head()),
        "frames_read": side.read.get(),
    })
}

/// The first event at which two blocks differ, from both sides as text and JSON.
struct Difference {
    height: Height,
    seq: EventSeq,
    a: (String, Value),
    b: (String, Value),
}

impl Difference {
    fn of(a: &FrameAt, b: &FrameAt) -> Result<Self, Failure> {
        let (left, right) = (a.frame.events(), b.frame.events());
        let index = left.iter().zip(right).take_while(|(a, b)| a == b).count();
        let seq = EventSeq(a.before.next.0 + index as u64);
        let blocks = (Block::of(a)?, Block::of(b)?);
        Ok(Self {
            height: blocks.0.height,
            seq,
            a: side(&blocks.0, seq, left.get(index)),
            b: side(&blocks.1, seq, right.get(index)),
        })
    }

    fn text(&self, common: &Head) -> String {
        format!(
            "same       up to event {}, head {}\nDIFFERENT  in block {}, first at event {}\na {}\nb {}",
            common.next, common.hash, self.height, self.seq, self.a.0, self.b.0
        )
    }
}

fn side(block: &Block, seq: EventSeq, stored: Option<&StoredEvent>) -> (String, Value) {
    let Some(stored) = stored else { return ("       the block has ended".to_owned(), Value::Null) };
    let event = stored.decode().ok();
    let shown = walk::shown(block, seq, stored, event.as_ref());
    (shown.text(), shown.json())
}
