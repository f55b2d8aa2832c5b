//! What an unfinished run keeps beside the journal's file: room on the same file system, so that its undo can be written
//! when nothing else can, and how far its history was on the disk. It must not know SQL.
//!
//! A file for each run in `JOURNAL-reserve/`, its name made from the run's: a block with {room, last event, checksum, name},
//! then the room, allocated and never read. Giving the room back moves it into the write-ahead log at once, so that whoever fills the file system cannot take much of it. The log is the one file of the journal that may be
//! opened beside SQLite: it carries no locks.

use crate::error::StoreError;
use crate::sum::{SUM_BYTES, row_sum};
use cutwater_core::names::{RunId, Seq};
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The first part of a file, never given back.
const BLOCK: u64 = 4096;

/// Where the run's name stands in it, after its length.
const NAME_AT: usize = 24 + SUM_BYTES;

/// For the log as it may stand when the disk is full (SQLite empties it after a thousand pages), for opening the journal
/// anew, and for the answers of what is under way.
const ROOM: u64 = 6 << 20;

/// For taking one step back: about thirty appends, each of four or five pages in the log.
const ROOM_A_STEP: u64 = 512 << 10;

/// What opening the journal may take of somebody's room: the index of the log, and its first page.
const TO_OPEN: u64 = 1 << 20;

/// Room moves as a whole if it can, at worst in pieces of about this size.
const PIECE: u64 = 64 << 10;

/// How much room a run with so many steps, and a plan of so many bytes, is given.
pub fn room_for(steps: usize, plan: usize) -> u64 {
    ROOM + ROOM_A_STEP * steps as u64 + 2 * plan as u64
}

/// The reserves that one process writes.
#[derive(Debug)]
pub struct Reserves {
    journal: PathBuf,
    open: HashMap<RunId, Option<Reserve>>,
}

#[derive(Debug)]
struct Reserve {
    file: File,
    room: u64,
}

struct Block {
    run: RunId,
    room: u64,
    last: Seq,
}

impl Reserves {
    /// Those beside this journal.
    pub fn beside(journal: &Path) -> Self {
        Self { journal: journal.to_owned(), open: HashMap::new() }
    }

    /// Allocates the room of a new run, or tells how much there would have to be.
    pub fn make(&mut self, run: &RunId, room: u64) -> Result<(), StoreError> {
        let path = path_of(&self.journal, run);
        let made = self.folder().and_then(|()| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(true).mode(0o600);
            let file = options.open(&path)?;
            allocate(&file, BLOCK + room)?;
            file.write_all_at(&block(run, room, Seq(0)), 0)?;
            file.sync_all()?;
            Ok(file)
        });
        match made {
            Ok(file) => {
                self.open.insert(run.clone(), Some(Reserve { file, room }));
                Ok(())
            }
            Err(error) => {
                self.remove(run);
                Err(match error.kind() {
                    std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => self.no_room(room),
                    _ => StoreError::File { path, source: Arc::new(error) },
                })
            }
        }
    }

    /// That a run cannot begin for lack of it.
    pub fn no_room(&self, room: u64) -> StoreError {
        let folder = folder_of(&self.journal);
        StoreError::NoRoom { needed: BLOCK + room, free: free(&folder), folder }
    }

    /// That a run which has begun finds none, not even its own.
    pub fn full(&self) -> StoreError {
        let folder = folder_of(&self.journal);
        StoreError::Full { free: free(&folder), folder }
    }

    /// Moves the run's room into the write-ahead log. Whether there was any.
    pub fn give_back(&mut self, run: &RunId) -> bool {
        let log = suffixed(&self.journal, "-wal");
        let Some(reserve) = self.of(run) else { return false };
        let Ok(length) = reserve.file.metadata().map(|meta| meta.len()) else { return false };
        let mut left = length.saturating_sub(BLOCK);
        // Not unlinked: some file systems free what is unlinked later, what is cut off at once.
        if left == 0 || reserve.file.set_len(BLOCK).is_err() {
            return false;
        }
        let Ok(log) = OpenOptions::new().write(true).open(log) else { return true };
        let Ok(mut at) = log.metadata().map(|meta| meta.len()) else { return true };
        let mut piece = left;
        while left > 0 && piece >= PIECE {
            if fallocate(&log, FallocateFlags::KEEP_SIZE, at, piece.min(left)).is_err() {
                piece /= 2;
                continue;
            }
            at += piece.min(left);
            left -= piece.min(left);
        }
        true
    }

    /// Takes the room anew for a run that had given it back, if it is there again.
    pub fn refill(&mut self, run: &RunId) {
        let Some(reserve) = self.of(run) else { return };
        let length = BLOCK + reserve.room;
        let short = reserve.file.metadata().is_ok_and(|meta| meta.len() < length);
        if short && allocate(&reserve.file, length).is_err() {
            let _as_before = reserve.file.set_len(BLOCK);
        }
    }

    /// Notes that the disk has the run's history up to there. Not synced: after a power cut it may say less, never more.
    pub fn note(&mut self, run: &RunId, last: Seq) {
        if let Some(reserve) = self.of(run) {
            let _says_less = reserve.file.write_all_at(&block(run, reserve.room, last), 0);
        }
    }

    /// See [`acknowledged`].
    pub fn acknowledged(&self) -> HashMap<RunId, Seq> {
        acknowledged(&self.journal)
    }

    /// Of a run that is over with this event. The block stays until the journal is opened anew: should the end be lost
    /// meanwhile, it tells.
    pub fn release(&mut self, run: &RunId, last: Seq) {
        self.note(run, last);
        if let Some(Some(reserve)) = self.open.remove(run) {
            let _kept_too_long = reserve.file.set_len(BLOCK);
        }
    }

    /// Of a run that never began.
    pub fn remove(&mut self, run: &RunId) {
        self.open.remove(run);
        let _none_there = std::fs::remove_file(path_of(&self.journal, run));
    }

    /// Removes those that no run needs: `last` tells where an unfinished run's history ends, and where one that is over does.
    pub fn sweep(&self, last: impl Fn(&RunId) -> Option<(Seq, bool)>) {
        for path in files(&self.journal) {
            let useless = match File::open(&path).ok().and_then(|file| read_block(&file)) {
                None => true,
                Some(block) => match last(&block.run) {
                    None => block.last == Seq(0),
                    Some((last, unfinished)) => !unfinished && block.last <= last,
                },
            };
            if useless {
                let _somebody_did = std::fs::remove_file(path);
            }
        }
    }

    fn of(&mut self, run: &RunId) -> Option<&Reserve> {
        if !self.open.contains_key(run) {
            let found = open_to_write(&self.journal, run);
            self.open.insert(run.clone(), found);
        }
        self.open.get(run)?.as_ref()
    }

    fn folder(&self) -> std::io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(suffixed(&self.journal, "-reserve"))
    }
}

/// How far each run's history was on the disk for certain, of those of which that is known.
pub fn acknowledged(journal: &Path) -> HashMap<RunId, Seq> {
    let blocks = files(journal).filter_map(|path| read_block(&File::open(path).ok()?));
    blocks.filter(|block| block.last > Seq(0)).map(|block| (block.run, block.last)).collect()
}

/// Of one run.
pub fn acknowledged_of(journal: &Path, run: &RunId) -> Option<Seq> {
    read_block(&File::open(path_of(journal, run)).ok()?).map(|block| block.last)
}

/// Whether the run has had to give its room back, or lend some of it.
pub fn is_given_back(journal: &Path, run: &RunId) -> bool {
    let Ok(file) = File::open(path_of(journal, run)) else { return false };
    let Some(block) = read_block(&file) else { return false };
    file.metadata().is_ok_and(|meta| meta.len() < BLOCK + block.room)
}

/// For opening the journal where nothing is free: cuts a little off the largest reserve. Whether there was any.
pub fn lend(journal: &Path) -> bool {
    if free(&folder_of(journal)) >= TO_OPEN {
        return false;
    }
    let sized = files(journal).filter_map(|path| Some((std::fs::metadata(&path).ok()?.len(), path)));
    let Some((length, path)) = sized.max().filter(|(length, _)| *length > BLOCK) else { return false };
    let file = OpenOptions::new().write(true).open(path);
    file.and_then(|file| file.set_len(length.saturating_sub(TO_OPEN).max(BLOCK))).is_ok()
}

fn open_to_write(journal: &Path, run: &RunId) -> Option<Reserve> {
    let file = OpenOptions::new().read(true).write(true).open(path_of(journal, run)).ok()?;
    let room = read_block(&file)?.room;
    Some(Reserve { file, room })
}

fn files(journal: &Path) -> impl Iterator<Item = PathBuf> {
    let folder = std::fs::read_dir(suffixed(journal, "-reserve"));
    folder.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()))
}

/// Blocks of the file's own, where the file system can promise them; else written ones.
fn allocate(file: &File, length: u64) -> std::io::Result<()> {
    match fallocate(file, FallocateFlags::empty(), 0, length) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            let piece = vec![0xa5; PIECE as usize];
            let mut at = BLOCK;
            while at < length {
                let here = (length - at).min(PIECE);
                file.write_all_at(&piece[..here as usize], at)?;
                at += here;
            }
            Ok(())
        }
        other => Ok(other?),
    }
}

fn block(run: &RunId, room: u64, last: Seq) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(NAME_AT + run.as_str().len());
    bytes.extend(room.to_le_bytes());
    bytes.extend(last.0.to_le_bytes());
    bytes.extend(block_sum(run, room, last));
    bytes.extend((run.as_str().len() as u64).to_le_bytes());
    bytes.extend(run.as_str().as_bytes());
    bytes
}

/// A block that does not agree with its checksum says nothing.
fn read_block(file: &File) -> Option<Block> {
    let mut bytes = [0; BLOCK as usize];
    file.read_exact_at(&mut bytes, 0).ok()?;
    let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    let (room, last, name) = (number(0)?, Seq(number(8)?), number(NAME_AT - 8)?);
    let name = bytes.get(NAME_AT..NAME_AT.checked_add(usize::try_from(name).ok()?)?)?;
    let run = RunId::new(std::str::from_utf8(name).ok()?);
    (bytes[16..16 + SUM_BYTES] == block_sum(&run, room, last)).then_some(Block { run, room, last })
}

fn block_sum(run: &RunId, room: u64, last: Seq) -> [u8; SUM_BYTES] {
    row_sum(&[Some(run.as_str()), Some(&room.to_string()), Some(&last.0.to_string())])
}

fn path_of(journal: &Path, run: &RunId) -> PathBuf {
    let name: String = row_sum(&[Some(run.as_str())]).iter().map(|byte| format!("{byte:02x}")).collect();
    suffixed(journal, "-reserve").join(name)
}

fn suffixed(journal: &Path, suffix: &str) -> PathBuf {
    let mut name = journal.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn folder_of(journal: &Path) -> PathBuf {
    journal.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

fn free(folder: &Path) -> u64 {
    statvfs(folder).map_or(0, |system| system.f_bfree * system.f_frsize)
}
