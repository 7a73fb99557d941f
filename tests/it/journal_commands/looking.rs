//! `show`, `tail`, `stats`: what operators see.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use crowdfold_events::{Event, EventSeq, StoredEvent, encode_event};
use crowdfold_journal::{Frame, JournalStore, SledJournal};
use serde_json::Value;

use super::fixture::{bytes_of, chain, code, command, data, err, fails, frames, journal, json, lines, out, path, text};

fn decoded(events: &[StoredEvent]) -> Vec<Event> {
    events.iter().map(|e| e.decode().unwrap()).collect()
}

#[test]
fn everything_is_shown_with_every_field() {
    let dir = data();
    let chain = chain();
    let all = lines(&["show", path(dir.path())]);
    assert_eq!(all.len(), chain.events.len());
    let mut height = 0;
    for ((value, stored), seq) in all.iter().zip(&chain.events).zip(0..) {
        height += u64::from(stored.event_type() == 2);
        assert_eq!(value["seq"], seq);
        assert_eq!(value["height"], height);
        assert_eq!(value["tag"], stored.event_type());
        let debug = format!("{:?}", stored.decode().unwrap());
        assert_eq!(value["type"], debug.split(' ').next().unwrap());
        assert!(value["time_ms"].as_u64().unwrap() > 0);
    }
    // Amounts are exact, as strings, although JSON's numbers are not.
    for (value, event) in all.iter().zip(decoded(&chain.events)) {
        if let Event::RewardAccrued { amount, task, plugin, .. } = event {
            assert_eq!(value["fields"]["amount"], amount.0.to_string());
            assert_eq!(value["fields"]["task"], task.0);
            assert_eq!(
                value["fields"]["plugin"].as_str().unwrap().to_lowercase(),
                format!("0x{}", hex::encode(plugin))
            );
        }
        if let Event::BlockDecided { body, .. } = event {
            for (raw, shown) in
                body.transactions.iter().zip(value["fields"]["body"]["transactions"].as_array().unwrap())
            {
                assert_eq!(*shown, format!("0x{}", hex::encode(raw)));
            }
        }
    }
    let words = text(&["show", path(dir.path())]);
    assert_eq!(words.lines().count(), all.len());
    for expected in
        ["earns", "ZKPoW", "assigned to 0x", "missing the deadline", "settlement of", "heartbeats of", "fold "]
    {
        assert!(words.contains(expected), "{expected}");
    }
    // Short hashes, no structure dumps.
    assert!(!words.contains("Zkpow(") && !words.contains(" { "), "{words}");
}

/// The numbers of what a filter leaves.
fn shown(dir: &std::path::Path, filter: &[&str]) -> Vec<u64> {
    let args = [&["show", path(dir)], filter].concat();
    lines(&args).iter().map(|v| v["seq"].as_u64().unwrap()).collect()
}

#[test]
fn filters_leave_exactly_what_fits() {
    let dir = data();
    let chain = chain();
    let events = decoded(&chain.events);
    let dir = dir.path();
    let mut height = 0;
    let mut time = 0;
    let mut places = Vec::new();
    for event in &events {
        match event {
            Event::BlockDecided { header, .. } => (height, time) = (header.height.0, header.time_ms),
            Event::GenesisLoaded { time_ms, .. } => time = *time_ms,
            _ => {}
        }
        places.push((height, time));
    }
    let expect = |wanted: &dyn Fn(usize) -> bool| -> Vec<u64> {
        (0..events.len()).filter(|at| wanted(*at)).map(|at| at as u64).collect()
    };
    assert_eq!(shown(dir, &["--height", "5..9"]), expect(&|at| (5..=9).contains(&places[at].0)));
    assert_eq!(shown(dir, &["--height", "0"]), expect(&|at| places[at].0 == 0));
    assert_eq!(shown(dir, &["--seq", "100..120"]), (100..=120).collect::<Vec<_>>());
    let end = events.len() as u64;
    assert_eq!(shown(dir, &["--seq", &format!("{}..", end - 3)]), (end - 3..end).collect::<Vec<_>>());
    assert_eq!(shown(dir, &["--limit", "7"]), (0..7).collect::<Vec<_>>());
    let types = shown(dir, &["--type", "RewardAccrued", "--type", "penaltycharged"]);
    assert!(!types.is_empty());
    assert_eq!(types, expect(&|at| matches!(chain.events[at].event_type(), 40 | 42)));
    let (from, to) = (places[100].1, places[200].1);
    let since = shown(dir, &["--since", &from.to_string(), "--until", &to.to_string()]);
    assert_eq!(since, expect(&|at| (from..=to).contains(&places[at].1)));

    // A task: opened, assigned, proven, paid, in this order.
    let task = events.iter().find_map(|e| match e {
        Event::PenaltyCharged { task, .. } => Some(*task),
        _ => None,
    });
    let of_task = lines(&["show", path(dir), "--task", &task.unwrap().0.to_string()]);
    let kinds: Vec<&str> = of_task.iter().map(|v| v["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..2], ["TaskOpened", "TaskAssigned"]);
    assert!(kinds.contains(&"PenaltyCharged") && kinds.contains(&"RewardAccrued"), "{kinds:?}");

    // An account: every event one of whose fields is that address, and no other.
    let plugin =
        events.iter().find_map(|e| if let Event::PluginRegistered { plugin } = e { Some(*plugin) } else { None });
    let plugin = plugin.unwrap();
    let checksummed = plugin.to_string();
    let found = shown(dir, &["--account", &checksummed]);
    let hexed = hex::encode(plugin);
    let all = lines(&["show", path(dir)]);
    let expected: Vec<u64> =
        all.iter().filter(|v| has(v, &format!("0x{hexed}"))).map(|v| v["seq"].as_u64().unwrap()).collect();
    assert!(found.len() > 10);
    assert_eq!(found, expected);

    // A transaction: its block, itself, its task and all that became of it.
    let (hash, item) = events
        .iter()
        .find_map(|e| if let Event::TransactionExecuted { hash, item, .. } = e { Some((*hash, *item)) } else { None })
        .unwrap();
    let of_transaction = lines(&["show", path(dir), "--transaction", &hash.to_string()]);
    let kinds: Vec<&str> = of_transaction.iter().map(|v| v["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[..2], ["BlockDecided", "TransactionExecuted"]);
    assert_eq!(of_transaction[1]["fields"]["item"], item.0);
    assert!(kinds.contains(&"TaskOpened") && kinds.contains(&"ProofAccepted") && kinds.contains(&"RewardAccrued"));
    // Filters narrow each other.
    let both = shown(dir, &["--transaction", &hash.to_string(), "--type", "ProofAccepted"]);
    assert_eq!(both.len(), 1);
    assert_eq!(shown(dir, &["--height", "5..9", "--seq", "0..3"]), Vec::<u64>::new());
    assert_eq!(shown(dir, &["--height", "99999999..", "--seq", "18446744073709551615"]), Vec::<u64>::new());
}

fn has(value: &Value, text: &str) -> bool {
    match value {
        Value::String(found) => found.eq_ignore_ascii_case(text),
        Value::Array(items) => items.iter().any(|v| has(v, text)),
        Value::Object(fields) => fields.values().any(|v| has(v, text)),
        _ => false,
    }
}

#[test]
fn what_no_event_can_fit_is_refused() {
    let dir = data();
    for bad in [
        &["--type", "TaskOpend"][..],
        &["--height", "9..5"],
        &["--height", "-1"],
        &["--seq", "18446744073709551616"],
        &["--account", "0x12"],
        &["--task", "x"],
        &["--transaction", "0x"],
        &["--since", "yesterday"],
        &["--limit", "-1"],
    ] {
        let output = journal(&[&["show", path(dir.path())], bad].concat());
        assert_eq!(code(&output), 2, "{bad:?}");
    }
    let said = err(&journal(&["show", path(dir.path()), "--type", "TaskOpend"]));
    assert!(said.contains("TaskOpened"), "the names are said: {said}");
}

#[test]
fn a_closed_pipe_ends_a_listing_quietly() {
    let dir = data();
    let mut child = command(&["show", path(dir.path())]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.contains("genesis"));
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
}

#[test]
fn the_newest_events_are_the_tail() {
    let dir = data();
    let end = chain().events.len() as u64;
    let numbers = |args: &[&str]| -> Vec<u64> {
        lines(&[&["tail", path(dir.path())], args].concat()).iter().map(|v| v["seq"].as_u64().unwrap()).collect()
    };
    assert_eq!(numbers(&[]), (end - 20..end).collect::<Vec<_>>());
    assert_eq!(numbers(&["--lines", "3"]), (end - 3..end).collect::<Vec<_>>());
    assert_eq!(numbers(&["--lines", "18446744073709551615"]).len() as u64, end);
    assert_eq!(numbers(&["--from", "7"]), (7..end).collect::<Vec<_>>());
    assert_eq!(numbers(&["--from", &end.to_string()]), Vec::<u64>::new());
    let last = lines(&["tail", path(dir.path()), "--lines", "1"]);
    assert_eq!(last[0]["height"], chain().height, "the block is known although its first event is not shown");
    fails(&["tail", path(dir.path()), "--from", &(end + 1).to_string()], 2);
    fails(&["tail", path(dir.path()), "--from", "18446744073709551615"], 2);
    assert_eq!(code(&journal(&["tail", path(dir.path()), "--from", "1", "--lines", "1"])), 2);
}

#[test]
#[cfg(unix)]
fn a_follower_sees_each_block_of_a_live_writer_once_and_stops_when_told() {
    let chain = chain();
    let all = frames(&chain.events);
    let dir = tempfile::tempdir().unwrap();
    let mut journal = SledJournal::open(dir.path()).unwrap();
    let append = |journal: &mut SledJournal, frame: &Frame| {
        let at = journal.head().next;
        journal.append(std::slice::from_ref(frame), at).unwrap();
    };
    all[..3].iter().for_each(|frame| append(&mut journal, frame));
    let mut child = command(&["tail", path(dir.path()), "--from", "0", "--follow", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut heard = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut seen = 0;
    let mut hear = |until: u64| {
        while seen < until {
            let value: Value = serde_json::from_str(&heard.next().unwrap().unwrap()).unwrap();
            assert_eq!(value["seq"], seen, "in order, without gaps");
            seen += 1;
        }
    };
    hear(journal.head().next.0);
    for frame in &all[3..20] {
        append(&mut journal, frame);
        hear(journal.head().next.0);
    }
    // Interrupted, it ends well and soon.
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let start = Instant::now();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    assert!(start.elapsed() < Duration::from_secs(5));
    // The writer never noticed.
    append(&mut journal, &all[20]);
}

#[test]
fn sizes_and_types_are_counted() {
    let dir = data();
    let chain = chain();
    let said = json(&["stats", path(dir.path())], 0);
    assert_eq!(said["events"], chain.events.len());
    let payload: usize = chain.events.iter().map(|e| e.as_bytes().len()).sum();
    assert_eq!(said["payload_bytes"], payload);
    assert_eq!(said["frames"], chain.height + 1);
    assert_eq!(said["span"]["last_height"], chain.height);
    assert!(said["span"]["first_time_ms"].as_u64() < said["span"]["last_time_ms"].as_u64());
    let types = said["types"].as_array().unwrap();
    let sum = |field: &str| types.iter().map(|t| t[field].as_u64().unwrap()).sum::<u64>();
    assert_eq!((sum("events"), sum("bytes")), (chain.events.len() as u64, payload as u64));
    for kind in types {
        let tag = kind["tag"].as_u64().unwrap();
        let expected = chain.events.iter().filter(|e| u64::from(e.event_type()) == tag).count();
        assert_eq!(kind["events"], expected, "{kind}");
    }
    let disk: usize = bytes_of(&dir.path().join("journal")).iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(said["disk_bytes"].as_u64().unwrap() > 0 && disk > 0);
    assert!(said["segments"].as_u64().unwrap() > 3);
    assert_eq!(json(&["stats", path(dir.path()), "--quick"], 0)["types"], Value::Null);
    let words = text(&["stats", path(dir.path())]);
    assert!(words.contains("times the payload") && words.contains("TaskAssigned") && words.contains("T"), "{words}");
}

#[test]
fn an_event_of_a_later_version_is_shown_as_what_it_is() {
    let chain = chain();
    let dir = tempfile::tempdir().unwrap();
    let mut events = chain.events[..60].to_vec();
    let end = events.iter().rposition(|e| e.event_type() == 3).unwrap();
    events.truncate(end + 1);
    let at = events.iter().position(|e| !matches!(e.event_type(), 1..=3)).unwrap();
    let mut bytes = encode_event(&events[at].decode().unwrap()).unwrap().as_bytes().to_vec();
    bytes[4] = 200;
    events[at] = StoredEvent::from_bytes(bytes.clone()).unwrap();
    super::fixture::write_journal(dir.path(), &events);
    let all = lines(&["show", path(dir.path())]);
    assert_eq!(all.len(), events.len());
    assert_eq!(all[at]["type"], Value::Null);
    assert_eq!(all[at]["version"], 200);
    assert_eq!(all[at]["bytes"], format!("0x{}", hex::encode(bytes)));
    let words = out(&journal(&["show", path(dir.path()), "--seq", &EventSeq(at as u64).to_string()]));
    assert!(words.contains("version 200, unknown"), "{words}");
}
