//! `crowdfold journal show`.

use std::io::{BufWriter, ErrorKind, Write, stderr, stdout};

use crowdfold_events::EventSeq;
use crowdfold_journal::Reader;

use super::{
    super::{
        Failure, Output,
        events::{Filter, FilterArgs, Shown},
        failed,
    },
    Place, walk,
};

#[derive(Debug, clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    place: Place,
    #[command(flatten)]
    filter: FilterArgs,
    /// Stop after this many events.
    #[arg(long, value_name = "N")]
    limit: Option<u64>,
}

pub(super) fn run(args: Args, output: Output) -> Result<(), Failure> {
    let reader = args.place.reader()?;
    let from = beginning(&reader, &args.filter)?;
    let is_past = |shown: &Shown<'_>| {
        args.filter.seq.is_some_and(|span| shown.seq.0 > span.last)
            || args.filter.height.is_some_and(|span| shown.height.0 > span.last)
            || args.filter.until.is_some_and(|time| shown.time_ms > time)
    };
    let mut filter = Filter::new(args.filter.clone());
    let mut printer = Printer::new(output);
    let limit = args.limit.unwrap_or(u64::MAX);
    let last = EventSeq(args.filter.seq.map_or(u64::MAX, |span| span.last));
    walk::events(&reader, from, last, &mut |shown| {
        if printer.printed >= limit || is_past(shown) {
            return Ok(false);
        }
        Ok(!filter.wants(shown) || printer.print(shown)?)
    })?;
    printer.flush()?;
    let floor = reader.floor().head.next;
    if floor > EventSeq(0) {
        // Nobody is left to tell when standard error is closed.
        writeln!(stderr(), "events before {floor} are pruned").unwrap_or_default();
    }
    Ok(())
}

/// Where to begin to read: at the narrowest of the ranges. What became of a
/// transaction is followed from its beginning.
fn beginning(reader: &Reader, filter: &FilterArgs) -> Result<EventSeq, Failure> {
    let mut from = reader.floor().head.next;
    if filter.follows() {
        return Ok(from);
    }
    if let Some(span) = filter.seq {
        from = from.max(EventSeq(span.first));
    }
    if let Some(span) = filter.height {
        from = from.max(walk::first_block(reader, |block| block.height.0 >= span.first)?);
    }
    if let Some(time) = filter.since {
        from = from.max(walk::first_block(reader, |block| block.time_ms >= time)?);
    }
    Ok(from)
}

/// Prints events on standard output, a line each.
pub(super) struct Printer {
    out: BufWriter<std::io::Stdout>,
    is_json: bool,
    /// Events printed.
    pub(super) printed: u64,
}

impl Printer {
    pub(super) fn new(output: Output) -> Self {
        Self { out: BufWriter::new(stdout()), is_json: output.json, printed: 0 }
    }

    /// Prints one; false when nobody reads any more.
    pub(super) fn print(&mut self, shown: &Shown<'_>) -> Result<bool, Failure> {
        self.printed += 1;
        let done =
            if self.is_json { writeln!(self.out, "{}", shown.json()) } else { writeln!(self.out, "{}", shown.text()) };
        heard(done)
    }

    /// Hands on what was printed; false when nobody reads any more.
    pub(super) fn flush(&mut self) -> Result<bool, Failure> {
        heard(self.out.flush())
    }
}

fn heard(done: std::io::Result<()>) -> Result<bool, Failure> {
    match done {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(failed("standard output", error)),
    }
}
