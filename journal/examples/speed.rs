#![allow(missing_docs)]
use crowdfold_events::*;
use crowdfold_journal::*;
use std::time::*;
fn ev(i: u64, n: usize) -> StoredEvent {
    encode_event(&Event::HeartbeatsRecorded {
        bitmap: {
            let mut v = vec![0u8; n];
            v[..8].copy_from_slice(&i.to_le_bytes());
            v
        },
    })
    .unwrap()
}
fn sealed(h: u64) -> StoredEvent {
    encode_event(&Event::BlockSealed { height: Height(h), state_root: B256::ZERO, market_root: B256::ZERO }).unwrap()
}
fn main() {
    let total: u64 = std::env::args().nth(1).unwrap().parse().unwrap();
    let group: u64 = std::env::args().nth(2).unwrap().parse().unwrap();
    let dir = std::path::PathBuf::from("/work/t/a/speed");
    let _ = std::fs::remove_dir_all(&dir);
    let mut j = SledJournal::open(&dir).unwrap();
    let g = encode_event(&Event::GenesisLoaded {
        genesis_hash: B256::ZERO,
        chain_id: 1,
        rules_version: 1,
        state_root: B256::ZERO,
        supply: Zkpow(1),
        time_ms: 0,
    })
    .unwrap();
    j.append(&[Frame::new(vec![g]).unwrap()], EventSeq(0)).unwrap();
    let mut times = vec![];
    let mut n = 1;
    let mut busy = Duration::ZERO;
    let raw = std::fs::File::create(dir.join("../raw")).unwrap();
    let mut raws = vec![];
    use std::io::Write;
    let mut h = 0;
    while n < total {
        let frames: Vec<Frame> = (0..group.div_ceil(100))
            .map(|_| {
                h += 1;
                let mut e: Vec<_> = (0..99).map(|i| ev(n + i, 190)).collect();
                e.push(sealed(h));
                Frame::new(e).unwrap()
            })
            .collect();
        let at = j.head().next;
        let t = Instant::now();
        j.append(&frames, at).unwrap();
        let e = t.elapsed();
        times.push(e);
        busy += e;
        n += 100 * frames.len() as u64;
        if raws.len() < 2000 {
            let b = vec![7u8; 20500 * frames.len()];
            let t = Instant::now();
            (&raw).write_all(&b).unwrap();
            raw.sync_data().unwrap();
            raws.push(t.elapsed());
        }
    }
    times.sort();
    raws.sort();
    let p = |v: &Vec<Duration>, q: usize| v[(v.len() * q / 1000).min(v.len() - 1)];
    println!(
        "append {:.0}/s, commit p50 {:?} p99 {:?} p999 {:?} max {:?}; raw p50 {:?} p99 {:?}",
        n as f64 / busy.as_secs_f64(),
        p(&times, 500),
        p(&times, 990),
        p(&times, 999),
        times.last().unwrap(),
        p(&raws, 500),
        p(&raws, 990)
    );
    drop(j);
    let s = stats(&dir).unwrap();
    println!(
        "{:?} disk/payload {:.3} window {}",
        s.segments,
        s.disk_bytes as f64 / s.payload_bytes as f64,
        s.window_bytes
    );
    let t = Instant::now();
    let r = Reader::open(&dir).unwrap();
    println!("reader open {:?}", t.elapsed());
    let t = Instant::now();
    let mut c = 0u64;
    r.scan(EventSeq(0), &mut |_, b| c += b.len() as u64).unwrap();
    println!("scan {:.0}/s", n as f64 / t.elapsed().as_secs_f64());
    let t = Instant::now();
    let c = r.frames(EventSeq(0)).unwrap().map(|f| f.unwrap().frame.events().len()).sum::<usize>();
    println!("frames {c} {:.0}/s", n as f64 / t.elapsed().as_secs_f64());
    let t = Instant::now();
    let j = SledJournal::open(&dir).unwrap();
    println!("open {:?}", t.elapsed());
    let t = Instant::now();
    let mut at = EventSeq(0);
    loop {
        let e = j.read(at, 4096).unwrap();
        if e.is_empty() {
            break;
        }
        at.0 += e.len() as u64;
    }
    println!("read 4096 at a time {:.0}/s", n as f64 / t.elapsed().as_secs_f64());
    drop(j);
    let t = Instant::now();
    let v = verify(&dir, &mut |_, _| ()).unwrap();
    println!("verify {} {:?}", v.is_good(), t.elapsed());
    let t = Instant::now();
    let b = [0u8; 250];
    let mut hh = B256::ZERO;
    for _ in 0..1_000_000 {
        hh = hash::chain(&hh, &b[..200]);
    }
    println!("chain alone {:.0}/s {hh}", 1e6 / t.elapsed().as_secs_f64());
    std::fs::remove_dir_all(&dir).unwrap();
}
