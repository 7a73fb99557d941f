//! `crowdfold journal tail`: following a journal without its lock.

use std::time::Duration;

use crowdfold_events::{EventSeq, StoredEvent};
use crowdfold_journal::{Reader, Subscription};

use super::{
    super::{
        Failure, Output,
        events::{Filter, FilterArgs},
        runtime, signal,
    },
    Place, failure,
    show::Printer,
    walk::{self, Block},
};

/// Events asked for at a time.
const STEP: usize = 1024;
/// Pause at the journal's end.
const PAUSE: Duration = Duration::from_millis(100);

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    place: Place,
    /// The first event; by default the newest few.
    #[arg(long, value_name = "SEQ")]
    from: Option<u64>,
    /// How many events to begin with, when --from is not given.
    #[arg(long, value_name = "N", default_value_t = 20, conflicts_with = "from")]
    lines: u64,
    /// Go on until interrupted.
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    filter: FilterArgs,
}

pub(super) fn run(args: Args, output: Output) -> Result<(), Failure> {
    let data = args.place.find()?;
    let reader = Reader::open(&data.journal).map_err(failure)?;
    let (floor, end) = (reader.floor().head.next, reader.head().next);
    let from = args.from.map_or(EventSeq(end.0.saturating_sub(args.lines)).max(floor), EventSeq);
    let block = match from < end {
        true => Some(Block::of(&reader.locate(from).map_err(failure)?)?),
        false => None,
    };
    let events = Reader::subscribe(&data.journal, from).map_err(failure)?;
    let mut tail = Tail { events, block, filter: Filter::new(args.filter), printer: Printer::new(output) };
    if !args.follow {
        while tail.step()? == Step::Printed {}
        return Ok(());
    }
    runtime()?.block_on(async {
        let mut interrupted = std::pin::pin!(signal());
        loop {
            match tail.step()? {
                Step::Gone => return Ok(()),
                Step::Printed => tokio::select! {
                    biased;
                    _ = &mut interrupted => return Ok(()),
                    () = std::future::ready(()) => {}
                },
                Step::AtEnd => tokio::select! {
                    _ = &mut interrupted => return Ok(()),
                    () = tokio::time::sleep(PAUSE) => {}
                },
            }
        }
    })
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Printed,
    AtEnd,
    /// Nobody reads any more.
    Gone,
}

struct Tail {
    events: Subscription,
    /// The block that the next event belongs to, unless it begins one.
    block: Option<Block>,
    filter: Filter,
    printer: Printer,
}

impl Tail {
    fn step(&mut self) -> Result<Step, Failure> {
        let from = self.events.position();
        let stored = self.events.poll(STEP).map_err(failure)?;
        if stored.is_empty() {
            return Ok(Step::AtEnd);
        }
        for (stored, seq) in stored.iter().zip(from.0..) {
            if !self.event(EventSeq(seq), stored)? {
                return Ok(Step::Gone);
            }
        }
        Ok(if self.printer.flush()? { Step::Printed } else { Step::Gone })
    }

    fn event(&mut self, seq: EventSeq, stored: &StoredEvent) -> Result<bool, Failure> {
        let event = stored.decode().ok();
        if let Some(block) = event.as_ref().and_then(Block::beginning_with) {
            self.block = Some(block);
        }
        let block = self.block.ok_or_else(|| Failure::Failed(format!("event {seq} does not begin a block")))?;
        let shown = walk::shown(&block, seq, stored, event.as_ref());
        if self.filter.wants(&shown) { self.printer.print(&shown) } else { Ok(true) }
    }
}
