//! One pass over a journal.

use std::cell::RefCell;

use crowdfold_config::{Genesis, ValidGenesis};
use crowdfold_events::{B256, Block, Commit, Event, EventSeq, Height, StoredEvent, Zkpow, encode_event, hash};
use crowdfold_journal::Head;
use crowdfold_kernel::{
    AggregateNode, BlockFault, Kernel, Outcome, ProofFault, ProofOracle, StartFault, State, Work, commit,
};
use crowdfold_zk::statement::ItemStatement;

use super::{
    Base, Books, Proofs, Standing,
    blocks::{Group, Groups},
    compare, counts,
    counts::Counts,
    proofs::{Accepted, ProofAudit, ProofError},
    report::{Began, Divergence, End, EventView, Reason, Report, Tip},
    source::Stored,
};

/// Events shown before and after the one that is wrong.
const AROUND: usize = 3;
/// Blocks between two recomputations of every total from its parts.
const TOTALS_EVERY: u64 = 1_000;

/// What an audit is told beside genesis and events.
#[derive(Clone, Default)]
pub struct Options {
    /// Verify proofs with this.
    pub proofs: Option<Proofs>,
    /// The commit of the last block, if it is known.
    pub tip_commit: Option<Commit>,
    /// Where the journal says that it ends.
    pub stated_end: Option<Head>,
}

/// How far an audit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Blocks checked.
    pub blocks: u64,
    /// The next event; all before it, from where the audit began, are checked.
    pub events: u64,
}

/// Why there is no report. Never what the journal says.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The genesis; the operator is at fault.
    #[error(transparent)]
    Start(#[from] StartFault),
    /// Proofs cannot be verified; the disk is at fault, or it is a bug.
    #[error("proofs: {0}")]
    Proofs(#[from] ProofError),
    /// Not built.
    #[error("{what} is not supported")]
    Unsupported {
        /// What.
        what: &'static str,
    },
    /// A state cannot be hashed or an event encoded; a bug.
    #[error("encoding: {0}")]
    Encoding(#[from] crowdfold_events::CodecError),
}

/// Accepts every proof and remembers it: what the chain accepted must come
/// out as events, which are compared, so a proof that the journal does not
/// accept is found there.
#[derive(Default)]
struct Asked(RefCell<Vec<Accepted>>);

impl ProofOracle for Asked {
    fn item(&self, statement: &ItemStatement, proof: B256) -> Result<(), ProofFault> {
        self.0.borrow_mut().push(Accepted { work: Work::Item(statement.clone()), proof });
        Ok(())
    }

    fn aggregate(&self, node: &AggregateNode, proof: B256) -> Result<(), ProofFault> {
        self.0.borrow_mut().push(Accepted { work: Work::Aggregate(node.clone()), proof });
        Ok(())
    }
}

/// Audits a journal from its first event. The report is of the whole journal,
/// or of what comes before the first divergence.
///
/// # Errors
/// [`AuditError`]: the audit itself cannot go on.
pub fn audit(
    genesis: &Genesis,
    events: impl Iterator<Item = Stored>,
    options: Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, AuditError> {
    audit_from(Base::genesis(genesis)?, events, options, progress)
}

/// Audits a journal from a snapshot on, the events from there on being given.
/// What came before is not checked; the report says so.
///
/// # Errors
/// [`AuditError`]; proofs can only be verified from the genesis on.
pub fn audit_from(
    base: Base,
    events: impl Iterator<Item = Stored>,
    options: Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, AuditError> {
    if options.proofs.is_some() && !base.is_genesis() {
        return Err(AuditError::Unsupported {
            what: "verifying proofs from a snapshot on: their blocks come before it",
        });
    }
    let genesis = base.state.genesis().clone();
    let (_, opening) = Kernel::genesis(&genesis)?;
    let genesis = genesis.validate().map_err(StartFault::from)?;
    let mut groups = Groups::new(events, base.events).peekable();
    let is_genesis = base.is_genesis();
    let mut audit = Audit::new(genesis, base, options);
    let mut found = if is_genesis { audit.opening(&opening, groups.next())? } else { None };
    while found.is_none() {
        let Some(group) = groups.next() else {
            found = audit.ending()?;
            break;
        };
        found = audit.block(group, groups.peek().is_none())?;
        progress(Progress { blocks: audit.counts.blocks, events: audit.at().0 });
    }
    audit.report(found)
}

struct Audit {
    /// Where it began, unless at the genesis.
    from: Option<Began>,
    genesis: ValidGenesis,
    state: State,
    books: Books,
    standing: Standing,
    supply: Zkpow,
    counts: Counts,
    tip_commit: Option<Commit>,
    stated_end: Option<Head>,
    tip: Tip,
    proofs: Option<ProofAudit>,
    /// The group before the one that is being checked.
    before: Option<Group>,
}

impl Audit {
    fn new(valid: ValidGenesis, Base { state, events }: Base, options: Options) -> Self {
        let genesis = &valid.genesis;
        let from = (events > EventSeq(0)).then(|| Began { height: state.height(), events, block: state.head() });
        let (books, standing) = match from {
            Some(_) => (Books::after(&state), Standing::after(&state)),
            None => (Books::new(genesis, &genesis.params), Standing::new(&genesis.params, genesis.admission_items)),
        };
        Self {
            from,
            books,
            standing,
            supply: state.supply_report().genesis,
            counts: Counts::default(),
            tip_commit: options.tip_commit,
            stated_end: options.stated_end,
            tip: Tip::Unsigned { why: "its commit is in no later block and none was given".to_owned() },
            proofs: options.proofs.map(|proofs| ProofAudit::new(proofs, &state)),
            before: None,
            genesis: valid,
            state,
        }
    }

    /// Number of events up to here.
    fn at(&self) -> EventSeq {
        EventSeq(self.from.map_or(0, |from| from.events.0) + self.counts.events)
    }

    /// The first events must be those that the genesis gives.
    fn opening(&mut self, expected: &[Event], group: Option<Group>) -> Result<Option<Divergence>, AuditError> {
        let expected = encode_all(expected)?;
        let empty = Group { first: EventSeq(0), events: Vec::new(), fault: None };
        let group = group.unwrap_or(empty);
        if let Some(fault) = &group.fault {
            let reason = Reason::Unreadable { detail: fault.detail.clone() };
            return Ok(Some(self.place(&group, group.events.len(), reason, None)));
        }
        if group.events != expected {
            return Ok(Some(self.place(&group, 0, Reason::Genesis, expected.first())));
        }
        self.counts.events += group.events.len() as u64;
        self.before = Some(group);
        Ok(None)
    }

    /// Checks the next block and goes on to the state after it.
    fn block(&mut self, group: Group, is_last: bool) -> Result<Option<Divergence>, AuditError> {
        if let Some(fault) = &group.fault {
            let reason = Reason::Unreadable { detail: fault.detail.clone() };
            return Ok(Some(self.place(&group, group.events.len(), reason, None)));
        }
        let height = self.state.height().next();
        if !group.begins_block() {
            let whole = matches!(group.events.last().map(StoredEvent::decode),
                Some(Ok(Event::BlockSealed { height: sealed, .. })) if sealed == height);
            let reason = if whole { Reason::Dropped } else { Reason::Inserted };
            return Ok(Some(self.place(&group, 0, reason, None)));
        }
        let block = match group.events[0].decode() {
            Ok(Event::BlockDecided { header, body }) => Block { header: *header, body: *body },
            Ok(_) => return Ok(Some(self.place(&group, 0, Reason::Inserted, None))),
            Err(fault) => {
                return Ok(Some(self.place(&group, 0, Reason::Undecodable { detail: fault.to_string() }, None)));
            }
        };
        if block.header.height != height {
            let reason = Reason::Height { expected: height, found: block.header.height };
            return Ok(Some(self.place(&group, 0, reason, None)));
        }
        let asked = Asked::default();
        let outcome = match Kernel::execute(&self.state, &block, &asked) {
            Ok(outcome) => outcome,
            Err(fault) => return Ok(Some(self.refused(&group, &block, &fault))),
        };
        let head = group.events.iter().fold(self.state.events_head(), |head, event| event.chain(&head));
        if head != outcome.state.events_head() {
            return Ok(Some(self.differs(&group, &outcome.events, is_last)?));
        }
        if let Some(found) = self.recompute(&group, &outcome) {
            return Ok(Some(found));
        }
        if let Some(found) = self.verify(&group, asked.0.into_inner(), &outcome)? {
            return Ok(Some(found));
        }
        self.counts.block(&outcome.block, &outcome.events);
        self.state = outcome.state;
        if (height.0.is_multiple_of(TOTALS_EVERY) || is_last)
            && let Some(detail) = self.totals()
        {
            return Ok(Some(self.place(&group, group.events.len() - 1, Reason::Conservation { detail }, None)));
        }
        self.before = Some(group);
        Ok(None)
    }

    /// The rules refuse the block, or nobody signed its parent.
    fn refused(&self, group: &Group, block: &Block, fault: &BlockFault) -> Divergence {
        let signed_over = block.body.last_commit.hash().ok() == Some(block.header.last_commit_hash);
        match (fault, &self.before) {
            // The commit is the one that the block's header names: the parent is not what was signed.
            (BlockFault::Commit(fault), Some(parent)) if signed_over && parent.begins_block() => {
                let reason = Reason::NotCertified {
                    carried_by: Some(block.header.height),
                    at: Some(group.first),
                    detail: fault.to_string(),
                };
                let mut found = self.place(parent, 0, reason, None);
                found.height = self.state.height();
                found
            }
            (BlockFault::Invariant(fault), _) => {
                self.place(group, 0, Reason::Conservation { detail: fault.to_string() }, None)
            }
            (fault, _) => self.place(group, 0, Reason::Invalid { detail: fault.to_string() }, None),
        }
    }

    fn differs(&self, group: &Group, expected: &[Event], is_last: bool) -> Result<Divergence, AuditError> {
        let expected = encode_all(expected)?;
        let Some(difference) = compare::first(&expected, &group.events) else {
            // Equal bytes have equal heads.
            return Ok(self.place(group, 0, Reason::Altered, None));
        };
        let ends_early = difference.index == group.events.len() && is_last;
        let reason = if ends_early { Reason::Unfinished } else { difference.reason };
        Ok(self.place(group, difference.index, reason, expected.get(difference.index)))
    }

    /// Draws and amounts from the events alone.
    fn recompute(&mut self, group: &Group, outcome: &Outcome) -> Option<Divergence> {
        for (index, event) in outcome.events.iter().enumerate() {
            if let Event::TaskAssigned { task, plugin, attempt, deadline, receipt, .. } = event
                && let Err(fault) = self.standing.check_draw(*task, *plugin, *attempt, *deadline, receipt)
            {
                let reason = Reason::Draw { task: *task, detail: fault.to_string() };
                return Some(self.place(group, index, reason, None));
            }
            let posted = self.books.amounts(event, &self.standing).and_then(|own| {
                self.books.post(&own, event, &self.standing)?;
                Ok(own)
            });
            let reason = match posted {
                Ok(own) if own == *event => None,
                Ok(own) => Some(Reason::Amount { detail: format!("separate books give {own:?}") }),
                Err(fault) => Some(Reason::Amount { detail: fault.to_string() }),
            };
            if let Some(reason) = reason {
                return Some(self.place(group, index, reason, None));
            }
            self.counts.amounts += u64::from(counts::has_amount(event));
            self.standing.apply(event);
        }
        let fault = self.books.check(self.supply).err()?;
        Some(self.place(group, group.events.len() - 1, Reason::Conservation { detail: fault.to_string() }, None))
    }

    fn verify(
        &mut self,
        group: &Group,
        accepted: Vec<Accepted>,
        outcome: &Outcome,
    ) -> Result<Option<Divergence>, AuditError> {
        let Some(proofs) = &mut self.proofs else { return Ok(None) };
        if let Err((wrong, fault)) = proofs.check(&accepted)? {
            let accepts = |e: &Event| matches!(e, Event::ProofAccepted { task, .. } | Event::AggregateAccepted { task, .. } if *task == wrong.task());
            let index = outcome.events.iter().position(accepts).unwrap_or(0);
            let reason = Reason::Proof { task: wrong.task(), proof: wrong.proof, detail: fault.to_string() };
            return Ok(Some(self.place(group, index, reason, None)));
        }
        proofs.advance(&outcome.block, &outcome.events, outcome.state.clone())?;
        Ok(None)
    }

    /// Every running total from its parts; what is wrong, if anything.
    fn totals(&mut self) -> Option<String> {
        self.counts.conservation_checks += 1;
        self.state.audit().err().map(|fault| fault.to_string())
    }

    /// After the last event: is it the stated end, and was the last block decided?
    fn ending(&mut self) -> Result<Option<Divergence>, AuditError> {
        let next = self.at();
        let group = Group { first: next, events: Vec::new(), fault: None };
        let found_hash = self.state.events_head();
        if let Some(stated) = self.stated_end
            && (stated.next != next || stated.hash != found_hash)
        {
            let reason = Reason::End { stated_next: stated.next, stated_hash: stated.hash, found_hash };
            return Ok(Some(self.place(&group, 0, reason, None)));
        }
        if let Some(commit) = self.tip_commit.take() {
            return Ok(self.check_tip(&commit, &group));
        }
        Ok(None)
    }

    /// The commit beside the journal is no part of it: a stale or unsigned one shows nothing.
    fn check_tip(&mut self, commit: &Commit, end: &Group) -> Option<Divergence> {
        let last = self.state.height();
        let digest = Kernel::commit_digest(&self.state, commit.height, &commit.header_hash);
        let unsigned = |why: String| Tip::Unsigned { why };
        if let Err(fault) = commit::verify_signatures(&self.genesis, &digest, &commit.signatures) {
            self.tip = unsigned(format!("the commit beside the journal: {fault}"));
            return None;
        }
        if commit.height < last {
            self.tip = unsigned(format!("the commit beside the journal is of block {}", commit.height));
            return None;
        }
        if commit.height > last {
            return Some(self.place(end, 0, Reason::CutShort { signed: commit.height }, None));
        }
        if commit.header_hash != self.state.head() {
            let detail = format!("they signed {}, this is {}", commit.header_hash, self.state.head());
            let reason = Reason::NotCertified { carried_by: None, at: None, detail };
            let mut found = self.place(self.before.as_ref().unwrap_or(end), 0, reason, None);
            found.height = last;
            return Some(found);
        }
        self.counts.signatures += commit.signatures.len() as u64;
        self.tip = Tip::Signed;
        None
    }

    /// A divergence at event `index` of a group.
    fn place(&self, group: &Group, index: usize, reason: Reason, expected: Option<&StoredEvent>) -> Divergence {
        let seq = |i: usize| EventSeq(group.first.0 + i as u64);
        let mut around: Vec<EventView> = Vec::new();
        if index < AROUND
            && let Some(before) = self.before.as_ref().filter(|b| b.first < group.first)
        {
            let skip = before.events.len().saturating_sub(AROUND - index);
            let tail = before.events.iter().enumerate().skip(skip);
            around.extend(tail.map(|(i, e)| EventView::new(EventSeq(before.first.0 + i as u64), e)));
        }
        let from = index.saturating_sub(AROUND);
        let shown = group.events.iter().enumerate().skip(from).take(index + AROUND + 1 - from);
        around.extend(shown.map(|(i, e)| EventView::new(seq(i), e)));
        Divergence {
            height: if group.first == EventSeq(0) { Height(0) } else { self.state.height().next() },
            seq: seq(index),
            index: index as u64,
            reason,
            expected: expected.map(|e| EventView::new(seq(index), e)),
            found: group.events.get(index).map(|e| EventView::new(seq(index), e)),
            around,
        }
    }

    fn report(self, divergence: Option<Divergence>) -> Result<Report, AuditError> {
        let at = self.at();
        let proofs = self.proofs.map(ProofAudit::report);
        let good = divergence.is_none() && proofs.as_ref().is_none_or(|p| p.missing == 0);
        let state = &self.state;
        Ok(Report {
            chain_id: state.genesis().chain_id,
            genesis_hash: state.genesis_hash(),
            good,
            from: self.from,
            end: End {
                height: state.height(),
                block: state.head(),
                events: at,
                state_hash: state.hash()?,
                state_root: state.state_root(),
                market_root: state.market_root()?,
                events_head: if at == EventSeq(0) { hash::CHAIN_START } else { state.events_head() },
            },
            checked: self.counts,
            tip: self.tip,
            proofs,
            divergence,
        })
    }
}

fn encode_all(events: &[Event]) -> Result<Vec<StoredEvent>, AuditError> {
    Ok(events.iter().map(encode_event).collect::<Result<Vec<_>, _>>()?)
}
