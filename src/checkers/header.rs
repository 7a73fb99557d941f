//! The header: what follows from the parent, and what states what the block did.

use crowdfold_events::{BlockBody, BlockHeader};

use crate::{
    Checkers, RECOUNT,
    post::Notes,
    rules::{self, Load},
    violation::{Check, Violation},
};

impl Checkers {
    /// Checks a header against its parent and opens the block in the books.
    pub(crate) fn open(&mut self, header: &BlockHeader, body: &BlockBody) -> Vec<Violation> {
        let mut notes = Notes::default();
        let books = &mut self.books;
        let (g, tip) = (&books.genesis.genesis, &books.tip);
        let height = tip.height + 1;
        let first = height == 1;
        notes.same(Check::Header, "chain_id", g.chain_id, header.chain_id);
        notes.same(Check::Header, "rules_version", g.rules_version, header.rules_version);
        notes.same(Check::Header, "height", height, header.height.0);
        notes.same(Check::Header, "parent", tip.head, header.parent);
        notes.same(Check::Header, "parent_events_head", tip.events_head, header.parent_events_head);
        notes.same(Check::Header, "commit height", tip.height, body.last_commit.height.0);
        let certified = if first { Default::default() } else { tip.head };
        notes.same(Check::Header, "commit header", certified, body.last_commit.header_hash);
        let commit_hash = body.last_commit.hash().ok();
        notes.same(Check::Header, "last_commit_hash", commit_hash, Some(header.last_commit_hash));
        let beacon = rules::beacon(&tip.beacon, height, &header.last_commit_hash);
        notes.same(Check::Header, "beacon", beacon, header.beacon);
        notes.same(Check::Header, "transactions_root", body.transactions_root(), header.transactions_root);
        notes.same(Check::Header, "messages_root", body.messages_root().ok(), Some(header.messages_root));
        if !g.validators.iter().any(|v| v.address == header.proposer) {
            notes.note(Check::Header, "proposer", "a validator", header.proposer);
        }
        notes.same(Check::Header, "gas_limit", g.params.block.gas_limit, header.gas_limit);
        notes.same(Check::Header, "first_item", books.next_item, header.first_item.0);
        notes.same(Check::Items, "pre_state_root", tip.root, header.pre_state_root);
        let least = tip.time_ms.saturating_add(g.params.block.min_block_time_ms);
        if header.time_ms < least {
            notes.note(Check::BlockTime, "time_ms", format!("at least {least}"), header.time_ms);
        }
        let load = Load { base_fee: tip.base_fee, gas: tip.gas, segments: tip.user_segments, unproven: books.unproven };
        let base_fee = match first {
            true => g.params.fees.initial_base_fee.units(),
            false => rules::next_base_fee(books.params(), &load),
        };
        notes.same(Check::BaseFee, "base_fee", base_fee, header.base_fee);

        let tip = &mut books.tip;
        tip.height = header.height.0;
        tip.time_ms = header.time_ms;
        tip.proposer = header.proposer;
        tip.beacon = header.beacon;
        tip.base_fee = header.base_fee;
        (tip.gas, tip.user_segments, tip.segments) = (0, 0, 0);
        self.violations(notes)
    }

    /// Checks what a header states of its block, and the sums after it.
    pub(crate) fn close(&mut self, header: &BlockHeader) -> Vec<Violation> {
        let books = &mut self.books;
        let mut notes = books.check_money();
        notes.same(Check::Header, "gas_used", books.tip.gas, header.gas_used);
        notes.same(Check::Header, "segments", books.tip.segments, header.segments);
        notes.same(Check::Items, "items", books.next_item - header.first_item.0, header.items.into());
        notes.same(Check::Items, "post_state_root", books.tip.root, header.post_state_root);
        if books.tip.height.is_multiple_of(RECOUNT) {
            notes.0.extend(books.check_sums().0);
        }
        books.tip.head = header.hash();
        books.recent.insert(books.tip.height, books.tip.head);
        let keep = books.params().plugins.registration_recent_blocks.max(2);
        books.recent = books.recent.split_off(&(books.tip.height + 1).saturating_sub(keep));
        self.violations(notes)
    }

    pub(crate) fn violations(&self, notes: Notes) -> Vec<Violation> {
        let height = crowdfold_events::Height(self.books.tip.height);
        let of = |d: crate::difference::Difference| Violation {
            check: d.check,
            height,
            index: None,
            event: None,
            field: d.field,
            expected: d.expected,
            found: d.found,
        };
        notes.0.into_iter().map(of).collect()
    }
}
