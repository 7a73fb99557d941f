//! One volume out of several that follow each other: rows are moved and sorted, records stay as they are.

use crc32c::crc32c;

use super::volume::{HEADER_BYTES, Header};

/// A file's header and its tables, checked, and its records.
fn split(bytes: &[u8]) -> Option<(Header, [&[u8]; 6])> {
    let header = Header::from_bytes(bytes.first_chunk()?)?;
    let offsets = header.offsets().map(|offset| offset as usize);
    let end = [&offsets[1..], &[bytes.len()]].concat();
    let mut parts = [[].as_slice(); 6];
    for ((part, from), to) in parts.iter_mut().zip(offsets).zip(end) {
        *part = bytes.get(from..to)?;
    }
    (crc32c(bytes.get(HEADER_BYTES..offsets[5])?) == header.tables_crc).then_some((header, parts))
}

/// One file out of the files of consecutive blocks; `None` if one of them is damaged.
pub(super) fn merge(files: &[Vec<u8>]) -> Option<Vec<u8>> {
    let files: Vec<_> = files.iter().map(|bytes| split(bytes)).collect::<Option<_>>()?;
    let mut header = files.first()?.0;
    let (mut blocks, mut hashes, mut tasks) = (Vec::new(), Vec::<[u8; 24]>::new(), Vec::new());
    let (mut batches, mut places, mut records) = (Vec::new(), Vec::new(), Vec::<u8>::new());
    let (mut record_base, mut items) = (0u32, 0);
    for (of, [of_blocks, of_hashes, of_tasks, of_batches, of_places, of_records]) in &files {
        blocks.extend_from_slice(of_blocks);
        hashes.extend(of_hashes.as_chunks().0);
        let moved =
            |pair: &[u8; 12]| Some((*pair.first_chunk::<8>()?, u32::from_le_bytes(*pair.last_chunk()?) + record_base));
        for pair in of_tasks.as_chunks().0 {
            tasks.push(moved(pair)?);
        }
        if batches.is_empty() {
            (header.first_batch, header.first_item) = (of.first_batch, of.first_item);
        }
        for pair in of_batches.as_chunks().0 {
            batches.push(moved(pair)?);
        }
        for place in of_places.as_chunks::<16>().0 {
            let offset = u64::from_le_bytes(*place.first_chunk()?) + records.len() as u64;
            places.extend(offset.to_le_bytes());
            places.extend_from_slice(&place[8..]);
        }
        records.extend_from_slice(of_records);
        record_base += of.records;
        items += of.items;
    }
    hashes.sort_unstable();
    tasks.sort_unstable_by_key(|(task, _)| u64::from_le_bytes(*task));
    let mut tables = blocks;
    tables.extend(hashes.as_flattened());
    for (key, record) in tasks.iter().chain(&batches) {
        tables.extend(key);
        tables.extend(record.to_le_bytes());
    }
    tables.extend(places);
    let merged = Header {
        items,
        blocks: files.iter().map(|(of, _)| of.blocks).sum(),
        hashes: hashes.len() as u32,
        tasks: tasks.len() as u32,
        batches: batches.len() as u32,
        records: record_base,
        tables_crc: crc32c(&tables),
        ..header
    };
    Some([merged.to_bytes(), tables, records].concat())
}
