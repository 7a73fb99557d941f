//! A disk that keeps only what was synced.
//!
//! The journal works on a real directory. [`PowerDisk`] remembers what each
//! file held at its last `sync_data` and which names each directory had at its
//! last `sync_dir`, both by inode, so that renaming and linking move names
//! only. When the power goes, it makes an image of the directory as
//! a disk might hold it: all that was synced, and of what was not a random
//! part, by names and by sectors of 512 bytes, one of them torn.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Mutex,
};

use crowdfold_journal::{Disk, RealDisk};

const SECTOR: usize = 512;

/// splitmix64.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }
}

/// A sync that is reported and not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lie {
    Sled,
    Segment,
    Head,
    Names,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Node {
    File(u64),
    Dir(u64),
}

struct Durable {
    /// Content by inode; the open file keeps the number from being used again.
    files: HashMap<u64, (File, Vec<u8>)>,
    /// Names of a directory by its inode, in the same way.
    names: HashMap<u64, (File, BTreeMap<String, Node>)>,
    rng: Rng,
    /// Operations until the power goes.
    left: u64,
    image: Option<PathBuf>,
}

pub(crate) struct PowerDisk {
    root: PathBuf,
    lie: Option<Lie>,
    durable: Mutex<Durable>,
}

impl PowerDisk {
    /// Of a directory whose content is all durable; the power goes after `left`
    /// operations, and what is left of it will be in `image`.
    pub(crate) fn new(root: &Path, image: &Path, left: u64, seed: u64, lie: Option<Lie>) -> Self {
        let durable =
            Durable { files: HashMap::new(), names: HashMap::new(), rng: Rng(seed), left, image: Some(image.into()) };
        let disk = Self { root: root.to_owned(), lie, durable: Mutex::new(durable) };
        disk.durable.lock().unwrap().load(root);
        disk
    }

    /// Cuts the power now unless it is gone.
    pub(crate) fn cut(&self) {
        let mut durable = self.durable.lock().unwrap();
        if let Some(image) = durable.image.take() {
            durable.make(&self.root, &image);
        }
    }

    fn step(&self) -> io::Result<()> {
        let left = {
            let mut durable = self.durable.lock().unwrap();
            let left = durable.left;
            durable.left = left.saturating_sub(1);
            left
        };
        if left == 0 {
            self.cut();
            return Err(io::Error::other("the power is gone"));
        }
        Ok(())
    }

    fn lies(&self, path: &Path) -> bool {
        let inside = |name: &str| path.components().any(|part| part.as_os_str() == name);
        match self.lie {
            None => false,
            Some(Lie::Sled) => inside("sled") && path.ends_with("db"),
            Some(Lie::Segment) => inside("segments"),
            Some(Lie::Head) => path.ends_with("HEAD"),
            Some(Lie::Names) => path.is_dir(),
        }
    }
}

fn nodes(dir: &Path) -> BTreeMap<String, Node> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| {
            let found = entry.metadata().ok()?;
            let node = if found.is_dir() { Node::Dir(found.ino()) } else { Node::File(found.ino()) };
            Some((entry.file_name().into_string().unwrap(), node))
        })
        .collect()
}

/// Where every file and directory below `dir` is now.
fn places(dir: &Path, found: &mut HashMap<u64, PathBuf>) {
    for (name, node) in nodes(dir) {
        let path = dir.join(name);
        if let Node::Dir(inode) = node {
            places(&path, found);
            found.insert(inode, path);
        } else if let Node::File(inode) = node {
            found.insert(inode, path);
        }
    }
}

impl Durable {
    fn load(&mut self, dir: &Path) {
        self.keep_names(dir);
        for (name, node) in nodes(dir) {
            let path = dir.join(name);
            match node {
                Node::Dir(_) => self.load(&path),
                Node::File(inode) => {
                    self.files.insert(inode, (File::open(&path).unwrap(), fs::read(&path).unwrap()));
                }
            }
        }
    }

    fn keep_names(&mut self, dir: &Path) {
        let handle = File::open(dir).unwrap();
        let inode = handle.metadata().unwrap().ino();
        self.names.insert(inode, (handle, nodes(dir)));
    }

    fn make(&mut self, root: &Path, image: &Path) {
        let mut places = HashMap::new();
        self::places(root, &mut places);
        let inode = fs::metadata(root).unwrap().ino();
        places.insert(inode, root.to_owned());
        self.make_dir(inode, &places, image);
    }

    fn make_dir(&mut self, inode: u64, places: &HashMap<u64, PathBuf>, to: &Path) {
        fs::create_dir_all(to).unwrap();
        let old = self.names.get(&inode).map(|(_, names)| names.clone()).unwrap_or_default();
        let new = places.get(&inode).map(|path| nodes(path)).unwrap_or_default();
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        for name in names {
            let (old, new) = (old.get(name), new.get(name));
            let node = if old == new || self.rng.below(2) == 0 { new } else { old };
            match node {
                None => {}
                Some(Node::Dir(inode)) => self.make_dir(*inode, places, &to.join(name)),
                Some(Node::File(inode)) => {
                    let current = places.get(inode).and_then(|path| fs::read(path).ok());
                    let content = self.content(*inode, current);
                    fs::write(to.join(name), content).unwrap();
                }
            }
        }
    }

    /// The synced content with some sectors of the current one.
    fn content(&mut self, inode: u64, current: Option<Vec<u8>>) -> Vec<u8> {
        let synced = self.files.get(&inode).map(|(_, bytes)| bytes.clone()).unwrap_or_default();
        let Some(current) = current.filter(|current| *current != synced) else { return synced };
        // None, some, or all of what was not synced.
        let taste = self.rng.below(4);
        let mut mixed = synced.clone();
        let length = match self.rng.below(3) {
            0 => current.len(),
            1 => synced.len(),
            _ => {
                let (low, high) = (synced.len().min(current.len()), synced.len().max(current.len()));
                low + self.rng.below((high - low) as u64 + 1) as usize
            }
        };
        mixed.resize(length, 0);
        let torn = self.rng.below((length / SECTOR) as u64 + 1) as usize;
        for sector in 0..length.div_ceil(SECTOR) {
            let (start, mut end) = (sector * SECTOR, (sector + 1) * SECTOR);
            let takes = match taste {
                0 => false,
                1 => true,
                _ => self.rng.below(2) == 0,
            };
            if sector == torn {
                end = start + self.rng.below(SECTOR as u64) as usize;
            } else if !takes {
                continue;
            }
            let end = end.min(length).min(current.len());
            if start < end {
                mixed[start..end].copy_from_slice(&current[start..end]);
            }
        }
        mixed
    }
}

impl Disk for PowerDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.create_dir(path)
    }

    fn create_file(&self, path: &Path) -> io::Result<File> {
        self.step()?;
        RealDisk.create_file(path)
    }

    fn write_at(&self, file: &File, path: &Path, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.step()?;
        RealDisk.write_at(file, path, offset, bytes)
    }

    fn set_len(&self, file: &File, path: &Path, length: u64) -> io::Result<()> {
        self.step()?;
        RealDisk.set_len(file, path, length)
    }

    fn sync_data(&self, file: &File, path: &Path) -> io::Result<()> {
        self.step()?;
        if !self.lies(path) {
            let inode = file.metadata()?.ino();
            let content = fs::read(path)?;
            self.durable.lock().unwrap().files.insert(inode, (file.try_clone()?, content));
        }
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        if !self.lies(path) {
            self.durable.lock().unwrap().keep_names(path);
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.rename(from, to)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.hard_link(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        RealDisk.remove_dir(path)
    }

    fn is_parallel(&self) -> bool {
        false
    }

    fn before_sled(&self, _: &Path, _: usize) -> io::Result<()> {
        self.step()
    }
}
