//! Which plugin has which session.

use std::collections::BTreeMap;

use actix::prelude::*;
use crowdfold_events::{Address, wire::Code};
use tokio::time::Instant;

use super::{
    Command, NodeIdentity, PluginSession, SessionConfig, SessionCore,
    budget::DataBudget,
    messages::{Attach, Broadcast, Deliver, Ended, LoggedIn, Order, Services, SessionClosed, SessionOpening, Shutdown},
};

/// Commands kept for a session that is being opened.
const EARLY_COMMANDS: usize = 256;
/// Pieces of data of 256 KiB that may be on their way to all plugins together.
const PIECES: usize = 1024;
/// Addresses remembered for having flooded.
const BLOCKED_KEPT: usize = 10_000;
/// How long an address that flooded is refused, in milliseconds.
const BLOCKED_MS: u64 = 10_000;

enum Entry {
    /// The node was asked; what it delivers meanwhile waits.
    Opening(Vec<Command>),
    Open(Addr<PluginSession>),
}

/// The table of sessions: opens, finds and forgets them.
pub struct SessionDirectory {
    identity: NodeIdentity,
    config: SessionConfig,
    services: Services,
    max_sessions: usize,
    sessions: BTreeMap<Address, Entry>,
    blocked_until_ms: BTreeMap<Address, u64>,
    is_stopping: bool,
    started: Instant,
    budget: DataBudget,
}

impl SessionDirectory {
    /// An empty table of at most `max_sessions` sessions, with or without connection.
    #[must_use]
    pub fn new(identity: NodeIdentity, config: SessionConfig, services: Services, max_sessions: usize) -> Self {
        Self {
            identity,
            config,
            services,
            max_sessions,
            sessions: BTreeMap::new(),
            blocked_until_ms: BTreeMap::new(),
            is_stopping: false,
            started: Instant::now(),
            budget: DataBudget::new(PIECES),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn refuses(&mut self, plugin: Address) -> Option<Code> {
        let now = self.now_ms();
        if self.is_stopping {
            return Some(Code::ShuttingDown);
        }
        if self.blocked_until_ms.get(&plugin).is_some_and(|until| now < *until) {
            return Some(Code::Flood);
        }
        match self.sessions.get(&plugin) {
            Some(Entry::Opening(_)) => Some(Code::Superseded),
            None if self.sessions.len() >= self.max_sessions => Some(Code::NodeFull),
            _ => None,
        }
    }

    fn block(&mut self, plugin: Address) {
        let now = self.now_ms();
        if self.blocked_until_ms.len() >= BLOCKED_KEPT {
            self.blocked_until_ms.retain(|_, until| now < *until);
        }
        if self.blocked_until_ms.len() < BLOCKED_KEPT {
            self.blocked_until_ms.insert(plugin, now + BLOCKED_MS);
        }
    }
}

/// Passes a command on; false when the session cannot take it.
fn pass(session: &Addr<PluginSession>, command: Command) -> bool {
    session.try_send(Order(command)).is_ok()
}

impl Actor for SessionDirectory {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(4096);
    }
}

impl Handler<LoggedIn> for SessionDirectory {
    type Result = ResponseActFuture<Self, Result<Addr<PluginSession>, Code>>;

    fn handle(&mut self, LoggedIn { plugin, resume, connection }: LoggedIn, _: &mut Self::Context) -> Self::Result {
        if let Some(code) = self.refuses(plugin) {
            return Box::pin(fut::ready(Err(code)));
        }
        if let Some(Entry::Open(session)) = self.sessions.get(&plugin) {
            session.do_send(Attach { resume, connection });
            return Box::pin(fut::ready(Ok(session.clone())));
        }
        self.sessions.insert(plugin, Entry::Opening(Vec::new()));
        let asked = self.services.opening.send(SessionOpening { plugin });
        Box::pin(asked.into_actor(self).map(move |seed, directory, ctx| {
            let early = match directory.sessions.remove(&plugin) {
                Some(Entry::Opening(early)) => early,
                other => {
                    // Too much was delivered meanwhile: the plugin has to come again.
                    if let Some(entry) = other {
                        directory.sessions.insert(plugin, entry);
                    }
                    directory.services.closed.do_send(SessionClosed { plugin, code: Code::Busy });
                    return Err(Code::Busy);
                }
            };
            let seed = seed.unwrap_or(Err(Code::Unavailable))?;
            let now = directory.now_ms();
            let mut core = SessionCore::new(directory.config.clone(), directory.identity.clone(), plugin, seed, now);
            early.into_iter().for_each(|command| core.command(now, command));
            let services = directory.services.clone();
            let budget = directory.budget.session(directory.config.max_pending_fetches);
            let session = PluginSession::new(plugin, core, services, ctx.address(), directory.started, budget).start();
            session.do_send(Attach { resume, connection });
            directory.sessions.insert(plugin, Entry::Open(session.clone()));
            Ok(session)
        }))
    }
}

impl Handler<Deliver> for SessionDirectory {
    type Result = ();

    fn handle(&mut self, Deliver { plugin, command }: Deliver, _: &mut Self::Context) {
        match self.sessions.get_mut(&plugin) {
            Some(Entry::Opening(early)) if early.len() < EARLY_COMMANDS => early.push(command),
            Some(Entry::Opening(_)) => {
                self.sessions.remove(&plugin);
            }
            #[allow(clippy::collapsible_match)] // A guard cannot take the command.
            Some(Entry::Open(session)) => {
                if !pass(session, command) {
                    // Its mailbox is full or it has stopped: what it missed is told at the next login.
                    session.do_send(Order(Command::End(Code::Busy)));
                }
            }
            _ => {}
        }
    }
}

impl Handler<Broadcast> for SessionDirectory {
    type Result = ();

    fn handle(&mut self, Broadcast { status }: Broadcast, _: &mut Self::Context) {
        for entry in self.sessions.values_mut() {
            match entry {
                Entry::Opening(early) if early.len() < EARLY_COMMANDS / 2 => early.push(Command::Status(status)),
                Entry::Open(session) if !pass(session, Command::Status(status)) => {
                    tracing::debug!("a session is too busy for a status");
                }
                _ => {}
            }
        }
    }
}

impl Handler<Shutdown> for SessionDirectory {
    type Result = ();

    fn handle(&mut self, _: Shutdown, _: &mut Self::Context) {
        self.is_stopping = true;
        for entry in self.sessions.values() {
            if let Entry::Open(session) = entry {
                session.do_send(Order(Command::End(Code::ShuttingDown)));
            }
        }
    }
}

impl Handler<Ended> for SessionDirectory {
    type Result = ();

    fn handle(&mut self, Ended { plugin, session, code }: Ended, _: &mut Self::Context) {
        if matches!(self.sessions.get(&plugin), Some(Entry::Open(own)) if *own == session) {
            self.sessions.remove(&plugin);
            self.services.closed.do_send(SessionClosed { plugin, code });
        }
        if code == Code::Flood {
            self.block(plugin);
        }
    }
}
