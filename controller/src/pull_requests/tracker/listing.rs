//! The list of pull requests, changed last first: one conditional request per poll; more pages only as far as something
//! changed since the last time.

use jiff::{SignedDuration, Timestamp};

use crate::pull_requests::forge::{Page, Pull};

/// Pages that the first look reads at most; what it does not find is searched by branch.
const PAGES: u32 = 30;

/// State of reading the list.
#[derive(Debug)]
pub(super) struct Listing {
    /// The first look is over.
    complete: bool,
    /// The page to ask for.
    page: u32,
    /// ETag of the first page, once everything that had changed then was read.
    etag: Option<String>,
    /// ETag of the first page, while more are read.
    fresh: Option<String>,
    /// The newest change that was read completely.
    read: Option<Timestamp>,
    /// The newest change of the first page, while more are read.
    newest: Option<Timestamp>,
    /// Time of the next request.
    due: Timestamp,
}

impl Listing {
    pub(super) fn new() -> Self {
        Listing {
            complete: false,
            page: 1,
            etag: None,
            fresh: None,
            read: None,
            newest: None,
            due: Timestamp::MIN,
        }
    }

    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    pub(super) fn due(&self) -> Timestamp {
        self.due
    }

    /// Page and ETag of the next request.
    pub(super) fn next(&self) -> (u32, Option<String>) {
        (self.page, self.etag.clone().filter(|_| self.page == 1))
    }

    pub(super) fn not_modified(&mut self, now: Timestamp, poll: SignedDuration) {
        self.page = 1;
        self.due = now + poll;
    }

    /// Makes the list due at once.
    pub(super) fn poll_now(&mut self) {
        self.due = Timestamp::MIN;
    }

    /// Begins again with the first page after a failure.
    pub(super) fn failed(&mut self) {
        self.page = 1;
    }

    /// Takes in a page. `enough` is whether the first look found all that it looks for. Returns whether the look is
    /// over.
    pub(super) fn read(&mut self, now: Timestamp, poll: SignedDuration, page: &Page, enough: bool) -> bool {
        if self.page == 1 {
            self.fresh.clone_from(&page.etag);
            self.newest = page.pulls.iter().map(|p| p.updated).max().or(self.read);
        }
        let oldest = page.pulls.iter().map(|p: &Pull| p.updated).min();
        let over = match (self.complete, self.read, oldest) {
            (false, ..) => enough || self.page >= PAGES,
            // Changes of the same second may have come after the last look.
            (true, Some(read), Some(oldest)) => oldest < read,
            (true, _, None) => true,
            (true, None, Some(_)) => false,
        };
        if page.more && !over && self.page < PAGES {
            self.page += 1;
            self.due = now;
            return false;
        }
        self.page = 1;
        self.complete = true;
        self.etag = self.fresh.take();
        self.read = self.newest.take();
        self.due = now + poll;
        true
    }
}
