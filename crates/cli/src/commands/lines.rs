//! Lines that are written as their results come, in the order of what was asked, and gone on with after a kill.
//!
//! The output holds the results of the first requests, whole lines all. Results that came before those of an earlier
//! request wait in a journal beside it, `OUT.resume`, whose first line says what was asked of what. Both are only ever
//! appended to, a whole line per write, so that a process that is killed leaves at most a torn last line in each; the
//! next one that asks the same of the same goes on behind it. The journal goes away when all is written.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use gac_inference::UnixTime;
use gac_systems::{Destination, Output};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::jsonl::ELSEWHERE;
use crate::failure::Failure;
use crate::printer::Printer;

/// One line per request.
pub(crate) struct LineOutput {
    path: PathBuf,
    sink: Sink,
    /// The request whose line is the next to be written.
    next: usize,
    /// Lines that came early.
    early: BTreeMap<usize, String>,
    /// Requests in all.
    lines: usize,
    /// When the first of them was asked for.
    began: UnixTime,
}

/// Where lines go.
enum Sink {
    /// To where nothing can be gone on with.
    Stream(Box<dyn Write>),
    File(Resumable),
}

/// A file that can be gone on with.
struct Resumable {
    target: PathBuf,
    request: Header,
    /// Open for appending, from the first line on.
    output: Option<Appended>,
    /// None before the first line, and in a folder that takes no other file.
    journal: Option<Appended>,
}

/// The journal's first line.
#[derive(Debug, Serialize, Deserialize)]
struct Header {
    /// Everything that the lines follow from, hashed.
    request: String,
    /// How many there are going to be.
    lines: usize,
    /// When the first of them was asked for.
    began: UnixTime,
}

/// A line of the journal after the first.
#[derive(Serialize, Deserialize)]
struct Early {
    index: usize,
    line: String,
}

impl LineOutput {
    /// Opens the output of `lines` requests, which `input` holds. `request` stands for everything that their results depend on; `answers`
    /// says whether a line that was found could be the result of a request.
    ///
    /// Nothing is changed before the first line is there.
    pub(crate) fn open(
        path: &Path,
        input: &Path,
        (request, lines): (String, usize),
        answers: &dyn Fn(usize, &Value) -> bool,
        printer: &mut Printer,
    ) -> Result<Self, Failure> {
        let cannot_write = |source| Failure::cannot_write(path, source, ELSEWHERE);
        let began = UnixTime::now();
        let new = |sink| Self { path: path.to_owned(), sink, next: 0, early: BTreeMap::new(), lines, began };
        let target = match Destination::of(path).map_err(cannot_write)? {
            Destination::Stdout => return Ok(new(Sink::Stream(Box::new(io::stdout())))),
            Destination::Stream(stream) => return Ok(new(Sink::Stream(Box::new(stream)))),
            Destination::File(target) => target,
        };
        if target.canonicalize().is_ok_and(|target| input.canonicalize().is_ok_and(|input| input == target)) {
            let error =
                anyhow::anyhow!("`{}` is the input, which has to be there until all is written", path.display());
            return Err(Failure::with_hint(error, ELSEWHERE));
        }
        // Nothing is changed by that.
        Output::open(&target).map_err(cannot_write)?;
        let mut file = Resumable { target, request: Header { request, lines, began }, output: None, journal: None };
        let found = file.found(answers)?;
        let began = file.request.began;
        let mut output = Self { began, ..new(Sink::File(file)) };
        match found {
            LinesBegin::Nothing => {}
            LinesBegin::Other => {
                let text = format!(
                    "`{}` was cut short with another model, other settings or another input; it begins anew",
                    path.display()
                );
                printer.warning(&text, None);
            }
            LinesBegin::Same { written, early } => {
                let found = written + early.len();
                printer.note(&format!("going on with `{}`: {found} of {lines} lines are there", path.display()));
                (output.next, output.early) = (written, early);
            }
        }
        Ok(output)
    }

    /// When the first of its lines was asked for: what chats tell the time by.
    pub(crate) fn began(&self) -> UnixTime {
        self.began
    }

    /// The requests whose results are not there yet, in order.
    pub(crate) fn missing(&self) -> Vec<usize> {
        (self.next..self.lines).filter(|request| !self.early.contains_key(request)).collect()
    }

    /// Writes a request's result, or keeps it until those before it are there.
    pub(crate) fn add(&mut self, request: usize, result: &impl Serialize) -> Result<(), Failure> {
        let line = serde_json::to_string(result)?;
        self.put(request, line).map_err(|source| Failure::cannot_write(&self.path, source, ELSEWHERE))
    }

    fn put(&mut self, request: usize, line: String) -> io::Result<()> {
        if let Sink::File(file) = &mut self.sink {
            file.begin()?;
        }
        if request != self.next {
            if let Sink::File(Resumable { journal: Some(journal), .. }) = &mut self.sink {
                let early = Early { index: request, line };
                journal.append(&serde_json::to_string(&early)?)?;
                self.early.insert(request, early.line);
            } else {
                self.early.insert(request, line);
            }
            return Ok(());
        }
        self.write(&line)?;
        self.write_early()
    }

    /// Writes those that waited for no one but the last one written.
    fn write_early(&mut self) -> io::Result<()> {
        while let Some(line) = self.early.remove(&self.next) {
            self.write(&line)?;
        }
        Ok(())
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        match &mut self.sink {
            Sink::Stream(stream) => {
                stream.write_all(format!("{line}\n").as_bytes())?;
                stream.flush()?;
            }
            Sink::File(Resumable { output: Some(output), .. }) => output.append(line)?,
            Sink::File(_) => {}
        }
        self.next += 1;
        Ok(())
    }

    /// Ends it: all results are there.
    pub(crate) fn finish(mut self) -> Result<(), Failure> {
        let done = match &mut self.sink {
            Sink::Stream(stream) => stream.flush(),
            Sink::File(file) => file.begin(),
        };
        let done = done.and_then(|()| self.write_early()).and_then(|()| match &self.sink {
            Sink::Stream(_) => Ok(()),
            Sink::File(file) => file.finish(),
        });
        done.map_err(|source| Failure::cannot_write(&self.path, source, ELSEWHERE))
    }
}

/// What is there before the first line.
enum LinesBegin {
    /// Nothing that was cut short.
    Nothing,
    /// Something else that was.
    Other,
    /// The same: so many first lines, and those that came early.
    Same { written: usize, early: BTreeMap<usize, String> },
}

impl Resumable {
    fn journal_path(&self) -> PathBuf {
        let mut name = self.target.file_name().map(OsString::from).unwrap_or_default();
        name.push(".resume");
        self.target.with_file_name(name)
    }

    /// Looks for what a process that was killed has left. Takes the journal's lock, and cuts torn lines off.
    fn found(&mut self, answers: &dyn Fn(usize, &Value) -> bool) -> Result<LinesBegin, Failure> {
        let path = self.journal_path();
        let cannot_write = |source| Failure::cannot_write(&path, source, ELSEWHERE);
        let mut journal = match Appended::open(&path) {
            Ok(journal) => journal,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(LinesBegin::Nothing),
            Err(error) => return Err(cannot_write(error)),
        };
        if !journal.lock() {
            return Err(Failure::with_hint(in_use(&self.target), ELSEWHERE));
        }
        let text = fs::read(&path).map_err(cannot_write)?;
        let Some((written, early)) = self.parse(&text, &mut journal, answers) else { return Ok(LinesBegin::Other) };
        journal.cut().map_err(cannot_write)?;
        self.journal = Some(journal);
        Ok(LinesBegin::Same { written, early })
    }

    /// Reads a journal and the output that belongs to it; nothing where they are of something else.
    fn parse(
        &mut self,
        text: &[u8],
        journal: &mut Appended,
        answers: &dyn Fn(usize, &Value) -> bool,
    ) -> Option<(usize, BTreeMap<usize, String>)> {
        let mut lines = whole_lines(text);
        let header = lines.next()?;
        let Header { request, lines: count, began } = serde_json::from_str(header).ok()?;
        if (&request, count) != (&self.request.request, self.request.lines) {
            return None;
        }
        journal.length = header.len() as u64 + 1;
        let mut early = BTreeMap::new();
        for line in lines {
            let Early { index, line: result } = serde_json::from_str(line).ok()?;
            early.insert(index, result);
            journal.length += line.len() as u64 + 1;
        }
        let mut output = match Appended::open(&self.target) {
            Ok(output) => output,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Appended::create(&self.target).ok()?,
            Err(_) => return None,
        };
        let text = fs::read(&self.target).ok()?;
        let mut written = 0;
        for line in whole_lines(&text) {
            output.length += line.len() as u64 + 1;
            if written == self.request.lines || !answers(written, &serde_json::from_str(line).ok()?) {
                return None;
            }
            written += 1;
        }
        early.retain(|&index, _| index >= written);
        if early.keys().next_back().is_some_and(|&last| last >= self.request.lines) {
            return None;
        }
        output.cut().ok()?;
        self.output = Some(output);
        self.request.began = began;
        Some((written, early))
    }

    /// Before the first line: what was there is given up, and a journal is begun.
    fn begin(&mut self) -> io::Result<()> {
        if self.output.is_some() {
            return Ok(());
        }
        // First the journal goes, then the old output, then the new journal comes: a kill in between leaves nothing
        // that could be taken for a part of this output.
        let path = self.journal_path();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.output = Some(Appended::create(&self.target)?);
        match Appended::create_new(&path) {
            Ok(mut journal) => {
                journal.lock();
                journal.append(&serde_json::to_string(&self.request)?)?;
                self.journal = Some(journal);
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(io::Error::other(in_use(&self.target)));
            }
            Err(error) => tracing::debug!(%error, "there can be no journal here"),
        }
        Ok(())
    }

    fn finish(&self) -> io::Result<()> {
        if let Some(output) = &self.output {
            output.file.sync_all()?;
        }
        match fs::remove_file(self.journal_path()) {
            Err(error) if self.journal.is_some() && error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// A file to which whole lines are appended.
struct Appended {
    file: File,
    /// Bytes of whole lines.
    length: u64,
}

impl Appended {
    /// One that is there, of which nothing is known to be whole yet.
    fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: OpenOptions::new().append(true).open(path)?, length: 0 })
    }

    /// An empty one.
    fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        file.set_len(0)?;
        Ok(Self { file, length: 0 })
    }

    /// An empty one where there is none.
    fn create_new(path: &Path) -> io::Result<Self> {
        Ok(Self { file: OpenOptions::new().create_new(true).append(true).open(path)?, length: 0 })
    }

    /// Cuts off what comes behind the whole lines.
    fn cut(&self) -> io::Result<()> {
        self.file.set_len(self.length)
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        if let Err(error) = self.file.write_all(format!("{line}\n").as_bytes()) {
            // A full disk takes a part of a line; the error to report is the first one.
            let _ = self.cut();
            return Err(error);
        }
        self.length += line.len() as u64 + 1;
        Ok(())
    }

    /// Keeps others off, where the file system has locks; false where another process has done so.
    fn lock(&self) -> bool {
        !matches!(self.file.try_lock(), Err(TryLockError::WouldBlock))
    }
}

fn in_use(output: &Path) -> anyhow::Error {
    anyhow::anyhow!("`{}` is being written by another gac", output.display())
}

/// The lines that end in a line feed.
fn whole_lines(text: &[u8]) -> impl Iterator<Item = &str> {
    let whole = text.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    std::str::from_utf8(&text[..whole]).unwrap_or_default().split_terminator('\n')
}
