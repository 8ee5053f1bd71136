//! The shipper's thread: look, read, frame, sync; and a base when it is time for one.
//!
//! Whatever fails, it forgets what it believed of the folder, waits a little longer each time, and reads the folder again.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use strait_log::StoreError;
use strait_primitives::{EventSeq, Timestamp};
use strait_store::LogId;
use strait_store_sqlite::{Place, Reader, Row};

use super::carried_modules;
use super::folder::{self, Base, Contents, FolderId};
use super::segment::{self, Payload};
use super::status::{ShipStatus, now_ms};
use super::{ShipError, ShipOptions};
use crate::audit::{Way, audit_one};
use crate::disk::{Disk, NodeDisk, PlaceError};
use crate::manifest::Manifest;
use crate::restore::check_digest;
use crate::seals::seal_bytes;
use crate::take::{Order, TakeError, take};
use crate::{durable, modules, regular};

/// Age at which one that holds anything is closed, so that who carries closed ones is never far behind.
const SEGMENT_AGE: Duration = Duration::from_secs(60);
/// Frames between two looks at whether to stop.
const FRAMES_MAX: u32 = 16;
/// Bytes of segments after which a new base is due, unless the base is larger than that.
const BASE_AFTER_BYTES: u64 = 256 << 20;
/// How much larger than the log of now a base may be: one that was made before the log forgot a lot.
const BASE_TIMES_MAX: u64 = 4;
/// What it may have beside: modules.
const BASE_BYTES_BESIDE: u64 = 64 << 20;
/// The longest pause after a failure.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// How much lower than the node's the priority of these threads is.
const NICE: i32 = 10;

/// The thread.
pub(super) struct Worker {
    options: Arc<ShipOptions>,
    reader: Reader,
    status: Arc<ShipStatus>,
    /// Whose log it is, once that is known.
    log_id: Option<LogId>,
    /// What is known of the folder; nothing after a failure.
    shipping: Option<Shipping>,
    /// A base that is being made.
    base_job: Option<JoinHandle<Result<Base, TakeError>>>,
    modules_looked: Option<Instant>,
}

/// A folder that is written to.
struct Shipping {
    id: FolderId,
    /// Everything up to here is in the folder.
    at: Place,
    open: Option<OpenSegment>,
    /// The length of the newest base that the segments continue; `None` while there is none.
    base_bytes: Option<u64>,
    /// Bytes of all segments.
    segment_bytes: u64,
    /// Held until this is forgotten.
    _lock: File,
}

/// The segment that is written to.
struct OpenSegment {
    path: PathBuf,
    file: File,
    first: EventSeq,
    bytes: u64,
    opened: Instant,
}

/// What a pass left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    /// Nothing.
    Whole,
    /// More of the log.
    More,
}

impl Worker {
    pub(super) fn new(options: ShipOptions, reader: Reader, status: Arc<ShipStatus>) -> Self {
        Self {
            options: Arc::new(options),
            reader,
            status,
            log_id: None,
            shipping: None,
            base_job: None,
            modules_looked: None,
        }
    }

    /// Ships until it is told to stop, and then once more.
    pub(super) fn run(mut self, stopped: &Receiver<()>) {
        // Without it shipping works as well.
        let _lower = rustix::process::setpriority_process(None, NICE);
        let mut pause = self.options.every;
        loop {
            match self.pass() {
                Ok(pass) => {
                    pause = match pass {
                        Pass::Whole => self.options.every,
                        Pass::More => Duration::ZERO,
                    };
                    if self.status.recovered() {
                        tracing::warn!("the log is being shipped again");
                    }
                }
                Err(error) => {
                    self.shipping = None;
                    self.tell(&error);
                    pause = pause.max(self.options.every).saturating_mul(2).min(PAUSE_MAX);
                }
            }
            match stopped.recv_timeout(pause) {
                Err(RecvTimeoutError::Timeout) => {}
                Ok(()) | Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        // What cannot be shipped now is shipped after the next start.
        let _last = self.pass();
        if let Some(job) = self.base_job.take().filter(JoinHandle::is_finished) {
            let _ended = job.join();
        }
    }

    /// Counts a failure, and logs it if it is not the one that was told last.
    fn tell(&self, error: &ShipError) {
        let mut words = error.to_string();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            words.push_str(&format!(": {cause}"));
            source = cause.source();
        }
        if self.status.trouble().as_ref() != Some(&words) {
            tracing::warn!(error = %words, "the log is not being shipped; it is tried again");
        }
        self.status.failed(words);
    }

    /// Ships what there is.
    fn pass(&mut self) -> Result<Pass, ShipError> {
        let head = self.reader.head()?;
        self.status.looked(head);
        if head == EventSeq::ZERO {
            return Ok(Pass::Whole);
        }
        let mut shipping = match self.shipping.take() {
            // What was open goes on under what hides it: it must be looked at anew.
            Some(shipping) if shipping.id != self.identify()? => {
                return Err(ShipError::Replaced { folder: self.options.folder.clone() });
            }
            Some(shipping) => shipping,
            None => self.find()?,
        };
        self.end_base(&mut shipping)?;
        self.begin_base(&shipping)?;
        self.ship_modules()?;
        let mut pass = Pass::More;
        for _ in 0..FRAMES_MAX {
            if self.ship_frame(&mut shipping)? == Pass::Whole {
                pass = Pass::Whole;
                break;
            }
            if shipping.base_bytes.is_some() {
                self.status.shipped(shipping.at.last);
            }
        }
        let is_old =
            |open: &OpenSegment| clock().saturating_duration_since(open.opened) >= SEGMENT_AGE;
        if shipping.open.as_ref().is_some_and(is_old) {
            self.close(&mut shipping)?;
        }
        if shipping.base_bytes.is_some() {
            self.status.shipped(shipping.at.last);
        }
        self.shipping = Some(shipping);
        Ok(pass)
    }

    /// Reads the folder: whose it is, and where it ends.
    fn find(&mut self) -> Result<Shipping, ShipError> {
        let folder = &self.options.folder;
        let failed = PlaceError::of(folder);
        let id = self.identify()?;
        self.check_apart()?;
        self.look_at_disk();
        let lock = lock(folder)?;
        if self.base_job.is_none() {
            folder::remove_drafts(folder).map_err(&failed)?;
        }
        let log_id = match self.log_id {
            Some(log_id) => log_id,
            None => {
                let id = audit_one(&self.reader, None, Way::Shortest)?.log_id;
                let data_dir = self.options.data_dir.clone();
                id.ok_or(TakeError::Empty { data_dir })?
            }
        };
        self.log_id = Some(log_id);
        let left = folder::contents(folder).map_err(&failed)?;
        if let Some(other) = left.bases.iter().find(|base| base.manifest.log_id != log_id) {
            let (folder, shipped) = (folder.clone(), other.manifest.log_id);
            return Err(ShipError::OtherLog { folder, shipped });
        }
        if let Some((path, refused)) = left.refused() {
            return Err(PlaceError::of(path)(refused.into()).into());
        }
        for segment in left.segments.iter().filter(|segment| segment.last.is_none()) {
            folder::close_left(folder, segment).map_err(&failed)?;
        }
        let contents = folder::contents(folder).map_err(&failed)?;
        let at = self.end_of(&contents)?;
        let base = self.base_that_holds(&contents, at);
        if let Some(base) = base.filter(|_base| contents.bases.len() > 1) {
            // Who made it died before it removed the others: they may be of another key, or of none.
            folder::prune(folder, base).map_err(&failed)?;
        }
        let base_bytes = base.map(|base| base.manifest.bytes);
        let at = match at {
            Some(at) => at,
            None => self.reader.end()?,
        };
        let segment_bytes = folder::contents(folder).map_err(&failed)?.segment_bytes();
        Ok(Shipping { id, at, open: None, base_bytes, segment_bytes, _lock: lock })
    }

    /// The folder that its name leads to now.
    fn identify(&self) -> Result<FolderId, ShipError> {
        let folder = &self.options.folder;
        let found = folder::identify(folder).map_err(PlaceError::of(folder))?;
        found.ok_or_else(|| ShipError::NoFolder { folder: folder.clone() })
    }

    /// Refuses a folder of the node's own: what is removed in the one would be missed in the other.
    fn check_apart(&self) -> Result<(), ShipError> {
        let ShipOptions { folder, data_dir, .. } = &*self.options;
        for own in [data_dir, &modules::folder(data_dir)] {
            if regular::is_same(folder, own).map_err(PlaceError::of(folder))? {
                return Err(ShipError::NodesOwn { folder: folder.clone() });
            }
        }
        Ok(())
    }

    /// Tells once if the folder is on the disk of the log that it is to outlive.
    fn look_at_disk(&self) {
        let ShipOptions { folder, data_dir, .. } = &*self.options;
        let disk = Disk::of(folder, data_dir);
        if self.status.found_on(disk) && disk == Disk::Nodes {
            tracing::warn!(folder = %folder.display(), "the log is shipped to the node's own disk: is the second one mounted?");
        }
    }

    /// Where the folder ends, if the log goes on from there; `None` if it is empty, or the log has removed what follows.
    fn end_of(&self, contents: &Contents) -> Result<Option<Place>, ShipError> {
        let folder = &self.options.folder;
        let mut end = None;
        for segment in contents.segments.iter().rev() {
            end = folder::end_of(segment).map_err(PlaceError::of(&segment.path))?;
            if end.is_some() {
                break;
            }
        }
        let base = contents.bases.last().map(|base| base.manifest.head);
        let reached = base.max(end.map(|end| end.last));
        let Some(reached) = reached else { return Ok(None) };
        let other = || ShipError::OtherHistory { folder: folder.clone(), shipped: reached };
        if reached > self.reader.head()? {
            return Err(other());
        }
        match self.reader.place_at(reached) {
            Ok(Some(place)) if end.is_none_or(|end| end.last < reached || end == place) => {
                Ok(Some(place))
            }
            Ok(_) => Err(other()),
            Err(StoreError::Compacted { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The newest base, if it is whole, sealed as wanted, and segments lead from it to the end.
    fn base_that_holds<'a>(&self, contents: &'a Contents, at: Option<Place>) -> Option<&'a Base> {
        let (base, at) = (contents.bases.last()?, at?);
        let is_whole = match contents.bases.len() {
            1 => fs::symlink_metadata(&base.path)
                .is_ok_and(|found| found.is_file() && found.len() == base.manifest.bytes),
            // Nobody knows when the end of a file without end would be read.
            _ if base.manifest.bytes > self.base_bytes_max() => false,
            // The others go on the word of this one.
            _ => check_digest(&base.path, &base.manifest).is_ok(),
        };
        if !is_whole || base.manifest.sealed_to != self.options.seal.sealed_to() {
            return None;
        }
        let mut reached = base.manifest.head;
        for segment in &contents.segments {
            // Whoever writes there may name the last event that there is a number for.
            if segment.first.to_u64() <= reached.to_u64().saturating_add(1) {
                reached = reached.max(segment.last.unwrap_or(reached));
            }
        }
        (reached >= at.last).then_some(base)
    }

    /// The length of the largest base that this node may have made.
    fn base_bytes_max(&self) -> u64 {
        let log_bytes = fs::metadata(self.reader.database()).map_or(0, |found| found.len());
        log_bytes.saturating_mul(BASE_TIMES_MAX).saturating_add(BASE_BYTES_BESIDE)
    }

    /// Appends one frame with what comes next in the log.
    fn ship_frame(&mut self, shipping: &mut Shipping) -> Result<Pass, ShipError> {
        let rows = match self.reader.rows_after(shipping.at, segment::FRAME_BYTES_TARGET) {
            // So far behind that only a new base helps.
            Err(StoreError::Compacted { .. }) => {
                self.close(shipping)?;
                shipping.at = self.reader.end()?;
                shipping.base_bytes = None;
                return Ok(Pass::More);
            }
            rows => rows?,
        };
        let Some(last) = rows.last() else { return Ok(Pass::Whole) };
        let end = last.place;
        let bytes = self.frame(&rows, end)?;
        let open = match shipping.open.as_mut() {
            Some(open) => open,
            None => shipping.open.insert(begin_segment(&self.options.folder, shipping.at)?),
        };
        let failed = PlaceError::of(&open.path);
        let written = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        // On the node's own disk the node comes first.
        let disk = NodeDisk {
            data_dir: &self.options.data_dir,
            free_bytes_min: self.options.free_bytes_min,
        };
        disk.check_room(&self.options.folder, written)?;
        open.file.write_all(&bytes).map_err(&failed)?;
        open.file.sync_data().map_err(&failed)?;
        open.bytes = open.bytes.saturating_add(written);
        shipping.segment_bytes = shipping.segment_bytes.saturating_add(written);
        shipping.at = end;
        if open.bytes >= segment::CLOSED_AFTER_BYTES {
            self.close(shipping)?;
        }
        Ok(Pass::More)
    }

    fn frame(&self, rows: &[Row], end: Place) -> Result<Vec<u8>, ShipError> {
        let packed = segment::pack(rows);
        Ok(match self.options.seal.seal_to() {
            None => segment::frame(end, Payload::Plain, &packed),
            Some(who) => segment::frame(end, Payload::Sealed, &seal_bytes(&packed, who)?),
        })
    }

    /// Closes the open segment: it never changes any more.
    fn close(&self, shipping: &mut Shipping) -> Result<(), ShipError> {
        let Some(open) = shipping.open.take() else { return Ok(()) };
        folder::close(&self.options.folder, &open.path, open.first, shipping.at.last)
            .map_err(PlaceError::of(&open.path))?;
        Ok(())
    }

    /// Begins a base if there is none, or if the segments have outgrown it.
    fn begin_base(&mut self, shipping: &Shipping) -> Result<(), ShipError> {
        let is_outgrown =
            |base_bytes: u64| shipping.segment_bytes > base_bytes.max(BASE_AFTER_BYTES);
        if self.base_job.is_some() || !shipping.base_bytes.is_none_or(is_outgrown) {
            return Ok(());
        }
        let options = Arc::clone(&self.options);
        let begun = self.reader.head()?;
        let path = folder::base_path(&options.folder, begun, options.seal.sealed_to());
        let job = thread::Builder::new().name("ship-base".to_owned()).spawn(move || {
            let _lower = rustix::process::setpriority_process(None, NICE);
            Ok(Base { manifest: make_base(&options, &path)?, path })
        });
        self.base_job = Some(job.map_err(PlaceError::of(&self.options.folder))?);
        Ok(())
    }

    /// Takes a base that is done, and removes what it makes superfluous.
    fn end_base(&mut self, shipping: &mut Shipping) -> Result<(), ShipError> {
        let Some(job) = self.base_job.take_if(|job| job.is_finished()) else { return Ok(()) };
        let made = job.join().map_err(|_panic| ShipError::BaseThread)??;
        let folder = &self.options.folder;
        folder::prune(folder, &made).map_err(PlaceError::of(folder))?;
        let left = folder::contents(folder).map_err(PlaceError::of(folder))?;
        shipping.segment_bytes = left.segment_bytes();
        let Manifest { head, bytes, .. } = made.manifest;
        shipping.base_bytes = Some(bytes);
        tracing::info!(%head, bytes, "a base of the shipped log was made");
        Ok(())
    }

    /// Carries modules over that came since the last look, once a second.
    fn ship_modules(&mut self) -> Result<(), ShipError> {
        let now = clock();
        let is_fresh = |at: Instant| now.saturating_duration_since(at) < Duration::from_secs(1);
        if self.modules_looked.is_some_and(is_fresh) {
            return Ok(());
        }
        let ShipOptions { data_dir, folder, seal, .. } = &*self.options;
        carried_modules::carry(data_dir, folder, seal)?;
        self.modules_looked = Some(now);
        Ok(())
    }
}

/// Makes a base: a backup like any other, but for its proof, which would cost the whole log.
fn make_base(options: &ShipOptions, path: &Path) -> Result<Manifest, TakeError> {
    let scratch = options.data_dir.join("ship.draft");
    if options.seal.seal_to().is_some() {
        fs::create_dir_all(&scratch).map_err(PlaceError::of(&scratch))?;
    }
    take(&Order {
        data_dir: &options.data_dir,
        file: path,
        seal: &options.seal,
        scratch: &scratch,
        free_bytes_min: options.free_bytes_min,
        proof: Way::Shortest,
        not_behind: None,
        now: Timestamp::from_unix_ms(now_ms()),
        version: options.version,
    })
}

/// Begins a segment that continues a place.
fn begin_segment(folder: &Path, at: Place) -> Result<OpenSegment, ShipError> {
    let first = at.last.next();
    let path = folder::open_path(folder, first);
    let begin = || {
        let mut file = durable::create_new(&path)?;
        file.write_all(&segment::header(at))?;
        durable::sync_folder_of(&path)?;
        Ok(file)
    };
    let file = begin().map_err(PlaceError::of(&path))?;
    Ok(OpenSegment { path, file, first, bytes: 0, opened: clock() })
}

/// Takes the folder for this process.
fn lock(folder: &Path) -> Result<File, ShipError> {
    let path = folder.join("lock");
    let file = regular::open_or_create(&path).map_err(PlaceError::of(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(ShipError::InUse { folder: folder.into() }),
        Err(TryLockError::Error(source)) => Err(PlaceError::File { path, source }.into()),
    }
}

/// Now, by the clock that never jumps.
fn clock() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "the age of a segment is measured in real time")]
    Instant::now()
}
