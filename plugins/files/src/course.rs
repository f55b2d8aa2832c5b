//! The way of one pass to its end: copied, verified, and copied again as often as may be. It must not know the mark, nor what
//! is saved of it.

use crate::lines::Lines;
use crate::sync::{Again, Input, Level, Output};
use crate::told::{self, Book, End, File};
use cutwater_sdk::host::{Ended, Finished};
use cutwater_sdk::{Command, Context, Failure, Fault, Host, Maybe, Stop};

/// What is told of a file that the source has no more.
const NOT_THERE: &str = "the source has it not";
/// How much of a report is kept: it has to fit into a checkpoint.
const KEPT: usize = 32 << 10;

/// One pass on its way.
pub struct Course<'a, 'c> {
    ctx: &'a Context<'c>,
    input: &'a Input,
    lines: &'a Lines,
    from: String,
    left: String,
    book: Book,
    began: u64,
}

/// What came of it.
pub struct Outcome {
    passes: u64,
    differing: u64,
    book: Book,
    milliseconds: u64,
}

impl<'a, 'c> Course<'a, 'c> {
    /// Nothing is done yet.
    ///
    /// # Errors
    /// The folders are not known yet.
    pub fn new(ctx: &'a Context<'c>, input: &'a Input, lines: &'a Lines) -> Result<Self, Stop> {
        let (from, to) = (lines.from.known()?.clone(), lines.to.known()?);
        let left = format!("{to} holds an unfinished copy, and is held");
        Ok(Self { ctx, input, lines, from, left, book: Book::default(), began: ctx.host().monotonic() })
    }

    /// Copies, verifies, and begins again until nothing differs or no pass is left. `total` bytes are to be read.
    ///
    /// # Errors
    /// The copy is not what it should be; the files are named.
    pub fn go(mut self, total: u64) -> Result<Outcome, Stop> {
        let mut pass = 1;
        let mut line = self.lines.copy();
        let differing = loop {
            self.copy(&line, total)?;
            let differing = self.differing()?;
            self.book.add(&differing);
            let can_be_mended = self.input.delete || differing.iter().any(|file| file.reason != NOT_THERE);
            if differing.is_empty() || !can_be_mended || pass >= self.input.most_passes() || self.too_late() {
                break differing;
            }
            self.ctx.say(format!(
                "after pass {pass} {} files differ: {}",
                differing.len(),
                told::words(&differing)
            ));
            pass += 1;
            line = self.lines.repair();
        };
        if !differing.is_empty() && !self.input.leaves_rest() {
            return Err(self.not_equal(pass, &differing));
        }
        let flushed = self.ctx.host().run(&self.lines.flush())?;
        if !flushed.success() {
            return Err(self.failure("flush", flushed.words()));
        }
        let milliseconds = self.ctx.host().monotonic().saturating_sub(self.began);
        Ok(Outcome { passes: pass, differing: differing.len() as u64, book: self.book, milliseconds })
    }

    /// What differs, by content. What cannot be read does, too.
    ///
    /// # Errors
    /// It could not be found out.
    pub fn differing(&self) -> Result<Vec<File>, Stop> {
        let told = self.ctx.host().run(&self.lines.verify())?;
        if let End::Broken(code, means) = told::end(&told) {
            return Err(self.failure(code, format!("{means}: {}", told.words())));
        }
        let mut found = told::differing(&told);
        found.extend(self.complaints(&told));
        Ok(found)
    }

    fn copy(&mut self, line: &Command, total: u64) -> Result<(), Stop> {
        let told = self.follow(line, total)?;
        let end = told::end(&told);
        let files = self.complaints(&told);
        self.book.add(&files);
        let live = self.input.consistency == Level::Live;
        match end {
            End::Whole => Ok(()),
            End::Partial | End::Vanished if live => Ok(()),
            End::Partial => Err(self.failure(
                "partial",
                format!("rsync could not copy all files (23): {}", in_words(&files, &told)),
            )),
            End::Vanished => Err(self.failure(
                "vanished",
                format!(
                    "files vanished while they were copied (24), and nobody should write: {}",
                    in_words(&files, &told)
                ),
            )),
            End::Broken(code, means) => {
                let status = told.status.map(|status| format!(" ({status})")).unwrap_or_default();
                Err(self.failure(code, format!("{means}{status}: {}", told.words())))
            }
        }
    }

    /// Runs rsync to its end and tells how far it is. Where its end was not seen, it may still run.
    fn follow(&self, line: &Command, total: u64) -> Result<Finished, Stop> {
        let lost =
            |fault: Fault| Fault::new("lost", format!("the end of rsync was not seen: {}", fault.message));
        let mut child = self.ctx.host().start(line)?;
        let mut finished = Finished { line: line.to_string(), ..Finished::default() };
        while let Some(chunk) = child.next().map_err(lost)? {
            if chunk.error_stream {
                finished.stderr.extend(chunk.bytes);
            } else if let Some(done) = told::progress(&String::from_utf8_lossy(&chunk.bytes)) {
                self.ctx.host().progress(done, total.max(done), "bytes");
            }
        }
        let Ended { status, signal } = child.wait().map_err(lost)?;
        Ok(Finished { status, signal, ..finished })
    }

    fn too_late(&self) -> bool {
        let gone = self.ctx.host().monotonic().saturating_sub(self.began);
        self.input.within.is_some_and(|within| gone >= within.0)
    }

    /// By their names below the folder.
    fn complaints(&self, told: &Finished) -> Vec<File> {
        let below = format!("{}/", self.from);
        let name = |file: File| File {
            name: file.name.strip_prefix(&below).unwrap_or(&file.name).to_owned(),
            ..file
        };
        told::complaints(told).into_iter().map(name).collect()
    }

    fn not_equal(&self, pass: u64, differing: &[File]) -> Stop {
        let count = differing.len();
        let words = told::words(differing);
        if differing.iter().all(|file| file.reason == NOT_THERE) {
            let message = format!(
                "the copy has {count} files that the source has not: {words}; `delete: true` removes such"
            );
            return self.failure("more-than-the-source", message);
        }
        let message = match self.input.consistency {
            Level::Live => format!("after {pass} passes {count} files differ: {words}"),
            _ => format!("nobody should write, and {count} files differ after {pass} passes: {words}"),
        };
        self.failure("differs", message)
    }

    fn failure(&self, code: &str, message: String) -> Stop {
        Failure::new(code, message, self.left.clone()).into()
    }
}

fn in_words(files: &[File], told: &Finished) -> String {
    if files.is_empty() { told.words() } else { told::words(files) }
}

impl Outcome {
    /// As the step gives it.
    pub fn output(self, by: &str) -> Output {
        let mut room = KEPT;
        let named = self.book.entries().take(told::NAMED).take_while(|(name, reason, _)| {
            let needed = name.len() + reason.len();
            let fits = needed <= room;
            room = room.saturating_sub(needed);
            fits
        });
        let again = named
            .map(|(name, reason, passes)| Again { name: name.to_owned(), reason: reason.to_owned(), passes })
            .collect();
        Output {
            held: Maybe::Known(by.to_owned()),
            passes: Maybe::Known(self.passes),
            differing: Maybe::Known(self.differing),
            again: Maybe::Known(again),
            milliseconds: Maybe::Known(self.milliseconds),
        }
    }
}
