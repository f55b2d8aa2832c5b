//! Whether a dump is whole, by reading all of it. `pg_restore --list` reads the table of contents alone, which is written before
//! the data; and a data file that was emptied is no fault to pg_restore. So each table's rows must come to their end (`\.`), each
//! large object must be opened, and no file may be without a byte. It must not know how the dump was made.

use crate::address::Address;
use crate::client::{as_user, run};
use crate::folder::Folder;
use cutwater_sdk::{Command, Context, Finished, Refusal, Stop};

/// How much of a line's beginning and end is looked at; rows may be as long as they like.
const HEAD: usize = 64;
const TAIL: usize = FROM_HERE.len();
const FROM_HERE: &[u8] = b" FROM stdin;";
const LAST_OF_SCRIPT: &[u8] = b"-- PostgreSQL database cluster dump complete";

/// What a dump holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counted {
    /// Tables whose rows came to their end.
    pub tables: u64,
    /// Rows.
    pub rows: u64,
    /// Large objects whose content is there.
    pub large_objects: u64,
    /// Roles.
    pub roles: u64,
    announced: u64,
    complete: bool,
}

/// Reads the text of a dump, in pieces of any size.
#[derive(Default)]
pub struct Counter {
    counted: Counted,
    in_header: bool,
    in_table: bool,
    head: Vec<u8>,
    tail: Vec<u8>,
    length: usize,
}

impl Counter {
    /// The next piece.
    pub fn read(&mut self, mut bytes: &[u8]) {
        while let Some(length) = bytes.iter().position(|byte| *byte == b'\n') {
            self.part(&bytes[..length]);
            self.line();
            bytes = &bytes[length + 1..];
        }
        self.part(bytes);
    }

    fn part(&mut self, bytes: &[u8]) {
        let room = HEAD.saturating_sub(self.head.len());
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
        let surplus = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..surplus);
        self.length += bytes.len();
    }

    fn line(&mut self) {
        let (head, counted) = (self.head.as_slice(), &mut self.counted);
        if self.in_table {
            match (self.length, head) {
                (2, b"\\.") => {
                    counted.tables += 1;
                    self.in_table = false;
                }
                _ => counted.rows += 1,
            }
        } else if self.in_header || head.starts_with(b"COPY ") {
            // A name may hold a line break.
            self.in_table = self.tail == FROM_HERE;
            self.in_header = !self.in_table;
        } else {
            let begins = |text: &[u8]| u64::from(head.starts_with(text));
            counted.announced += begins(b"SELECT pg_catalog.lo_create(");
            counted.large_objects += begins(b"SELECT pg_catalog.lo_open(");
            counted.roles += begins(b"CREATE ROLE ");
            counted.complete |= self.length == LAST_OF_SCRIPT.len() && head == LAST_OF_SCRIPT;
        }
        self.head.clear();
        self.tail.clear();
        self.length = 0;
    }

    /// What was counted, or what is not whole.
    pub fn end(mut self) -> Result<Counted, String> {
        if self.length > 0 {
            self.line();
        }
        let Counted { announced, large_objects, .. } = self.counted;
        match (self.in_table, announced == large_objects) {
            (true, _) => Err("the rows of a table break off".into()),
            (_, false) => Err(format!("{large_objects} of {announced} large objects have a content")),
            _ => Ok(self.counted),
        }
    }
}

/// A dump of one database, in directory format.
pub fn database(ctx: &Context<'_>, folder: &Folder<'_>, address: &Address) -> Result<Counted, Stop> {
    let reading = |option: &str| as_user(Command::reading("pg_restore").arg(option), address);
    let list = reading("--list").arg(folder.content());
    let mut listed = Vec::new();
    let told = run(ctx, &list, |bytes| listed.extend_from_slice(bytes), |_| ())?;
    ended(&told)?;
    let wanted = tables(&String::from_utf8_lossy(&listed));
    if let Some(name) = folder.size(ctx)?.empty {
        return Err(damaged(format!("{}/{name} is without a byte", folder.content())).into());
    }
    let mut counter = Counter::default();
    let all = reading("--data-only").args(["--file=-", &folder.content()]);
    let told = run(ctx, &all, |bytes| counter.read(bytes), |_| ())?;
    ended(&told)?;
    match counter.end() {
        Ok(counted) if counted.tables == wanted => Ok(counted),
        Ok(counted) => {
            let words = format!("{} of {wanted} tables come to their end", counted.tables);
            Err(damaged(words).into())
        }
        Err(why) => Err(damaged(why).into()),
    }
}

/// How a script of pg_dumpall is read, as the plan shows it.
pub fn script_command(folder: &Folder<'_>, address: &Address) -> Command {
    as_user(Command::new("cat").arg(folder.content()), address)
}

/// A script of pg_dumpall, which does not look whether the last of it could be written.
pub fn script(ctx: &Context<'_>, folder: &Folder<'_>, address: &Address) -> Result<Counted, Stop> {
    let mut counter = Counter::default();
    let told = run(ctx, &script_command(folder, address), |bytes| counter.read(bytes), |_| ())?;
    ended(&told)?;
    match counter.end() {
        Ok(counted) if counted.complete => Ok(counted),
        Ok(_) => Err(damaged(format!("{} has no end", folder.content())).into()),
        Err(why) => Err(damaged(why).into()),
    }
}

fn ended(told: &Finished) -> Result<(), Refusal> {
    if told.success() { Ok(()) } else { Err(damaged(told.words())) }
}

fn damaged(words: String) -> Refusal {
    Refusal::new("damaged", format!("the dump is not whole: {words}"))
}

/// How many tables' data a table of contents lists.
fn tables(list: &str) -> u64 {
    let is_data = |line: &&str| {
        let mut words = line.split_whitespace().skip(3);
        !line.starts_with(';') && words.next() == Some("TABLE") && words.next() == Some("DATA")
    };
    list.lines().filter(is_data).count() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(text: &str, piece: usize) -> Result<Counted, String> {
        let mut counter = Counter::default();
        text.as_bytes().chunks(piece).for_each(|bytes| counter.read(bytes));
        counter.end()
    }

    const DATA: &str = "--\n-- Data for Name: a FROM stdin;\n--\n\nCOPY public.a (n) FROM stdin;\n1\nCOPY x FROM stdin;\n\n\\.\n\n\n\
        COPY public.\"b\nc\"  FROM stdin;\n\\.\nSELECT pg_catalog.lo_create('1');\nSELECT pg_catalog.lo_open('1', 131072);\n\
        CREATE ROLE x;\n-- PostgreSQL database cluster dump complete\n--\n";

    /// Sabotage: a piece of output taken for a whole line, or a row that reads like a statement taken for one.
    #[test]
    fn rows_are_counted_wherever_the_output_is_cut_into_pieces() {
        let whole = counted(DATA, DATA.len()).unwrap();
        let wanted = Counted { tables: 2, rows: 3, large_objects: 1, roles: 1, announced: 1, complete: true };
        assert_eq!(whole, wanted);
        for piece in 1..20 {
            assert_eq!(counted(DATA, piece).as_ref(), Ok(&whole), "pieces of {piece}");
        }
    }

    #[test]
    fn what_breaks_off_is_not_whole() {
        let cut = DATA.find("\\.\n\n\n").unwrap();
        assert!(counted(&DATA[..cut], 7).unwrap_err().contains("break off"));
        let unopened = DATA.replace("lo_open", "lo_close");
        assert_eq!(counted(&unopened, 7).unwrap_err(), "0 of 1 large objects have a content");
        assert!(!counted("-- PostgreSQL database cluster dump comple", 7).unwrap().complete);
    }

    #[test]
    fn only_the_data_of_tables_is_wanted() {
        let list = "; Archive\n;     TOC Entries: 4\n214; 1259 16384 TABLE public ledger postgres\n\
            3348; 0 16384 TABLE DATA public ledger postgres\n3352; 0 0 BLOBS - BLOBS \n";
        assert_eq!(tables(list), 1);
    }
}
