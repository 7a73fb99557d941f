//! Walking over blocks: where a height or a time begins, without a full scan.

use crowdfold_events::{Event, EventSeq, Height, StoredEvent};
use crowdfold_journal::{FrameAt, Reader};

use super::{super::events::Shown, Failure, failure};

/// Which block a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// 0 for the genesis.
    pub(super) height: Height,
    /// Milliseconds since the Unix epoch.
    pub(super) time_ms: u64,
}

impl Block {
    /// The block that begins with this event, if one does.
    pub(super) fn beginning_with(event: &Event) -> Option<Self> {
        match event {
            Event::GenesisLoaded { time_ms, .. } => Some(Self { height: Height(0), time_ms: *time_ms }),
            Event::BlockDecided { header, .. } => Some(Self { height: header.height, time_ms: header.time_ms }),
            _ => None,
        }
    }

    pub(super) fn of(frame: &FrameAt) -> Result<Self, Failure> {
        let event = frame.frame.events().first().and_then(|first| first.decode().ok());
        event.as_ref().and_then(Self::beginning_with).ok_or_else(|| {
            let (file, at) = (frame.file.display(), frame.before.next);
            Failure::Failed(format!("{file} at byte {}: event {at} does not begin a block", frame.offset))
        })
    }
}

/// The first event of the first block that `reached` holds for; it must hold
/// for all later ones too. The head when it holds for none.
pub(super) fn first_block(reader: &Reader, reached: impl Fn(&Block) -> bool) -> Result<EventSeq, Failure> {
    // Blocks that begin before `low` are not there yet, the one at `high` is, or it is the end.
    let (mut low, mut high) = (reader.floor().head.next.0, reader.head().next.0);
    while low < high {
        let frame = reader.locate(EventSeq(low + (high - low) / 2)).map_err(failure)?;
        if reached(&Block::of(&frame)?) {
            high = frame.before.next.0;
        } else {
            low = frame.after.next.0;
        }
    }
    Ok(EventSeq(high))
}

/// Calls `visit` with each event from the beginning of the block that holds
/// `from`, until it says false, the block that holds `last` has ended, or the
/// journal has. Nothing behind is looked at.
pub(super) fn events(
    reader: &Reader,
    from: EventSeq,
    last: EventSeq,
    visit: &mut dyn FnMut(&Shown<'_>) -> Result<bool, Failure>,
) -> Result<(), Failure> {
    if from >= reader.head().next {
        return Ok(());
    }
    for frame in reader.frames(from).map_err(failure)? {
        let frame = frame.map_err(failure)?;
        let block = Block::of(&frame)?;
        for (stored, seq) in frame.frame.events().iter().zip(frame.before.next.0..) {
            let event = stored.decode().ok();
            if !visit(&shown(&block, EventSeq(seq), stored, event.as_ref()))? {
                return Ok(());
            }
        }
        if frame.after.next > last {
            break;
        }
    }
    Ok(())
}

pub(super) fn shown<'a>(block: &Block, seq: EventSeq, stored: &'a StoredEvent, event: Option<&'a Event>) -> Shown<'a> {
    Shown { seq, height: block.height, time_ms: block.time_ms, stored, event }
}
