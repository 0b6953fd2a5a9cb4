//! One table of everything the console can do. Dispatch, help, bottom bar, palette, man page, completions and the key
//! table of the guide are all read from it.

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs, reason = "each is described in COMMANDS")]
pub enum Command {
    Down,
    Up,
    PageDown,
    PageUp,
    Top,
    Bottom,
    Left,
    Right,
    Open,
    Back,
    Approvals,
    Events,
    Objects,
    Rules,
    NextView,
    PreviousView,
    Approve,
    Decline,
    Delete,
    Undo,
    SendNow,
    Decisions,
    Mark,
    MarkShown,
    Unmark,
    Filter,
    Fuzzy,
    ClearFilter,
    Sort,
    Reverse,
    Pause,
    ItsApprovals,
    ItsEvents,
    ItsObjects,
    ItsRule,
    Yaml,
    OpenLink,
    CopyLink,
    CopyName,
    Namespace,
    Context,
    ReadOnly,
    Theme,
    Mouse,
    Reconnect,
    Redraw,
    Palette,
    Help,
    Quit,
    Yes,
    No,
    Accept,
    Cancel,
    NextField,
    PreviousField,
    NextLine,
    PreviousLine,
    OtherButton,
    ReadOn,
    ReadBack,
    RubOut,
    ClearLine,
}

/// Under which heading help lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the headings say it")]
pub enum Group {
    Move,
    Views,
    Decide,
    Find,
    Related,
    Console,
    Answer,
}

impl Group {
    /// In the order of help.
    pub(crate) const ALL: [Group; 7] = [
        Group::Decide,
        Group::Move,
        Group::Views,
        Group::Find,
        Group::Related,
        Group::Console,
        Group::Answer,
    ];

    /// Returns the heading.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Group::Move => "Move",
            Group::Views => "Views",
            Group::Decide => "Decide",
            Group::Find => "Find",
            Group::Related => "What belongs to it",
            Group::Console => "Console",
            Group::Answer => "In questions, lists to choose from, and the filter",
        }
    }
}

/// One line of the table.
#[derive(Debug)]
pub struct Entry {
    /// The command.
    pub command: Command,
    /// Its name in the palette and in the configuration.
    pub name: &'static str,
    /// Its keys, unless the configuration says otherwise.
    pub keys: &'static [&'static str],
    /// A word for the bottom bar.
    pub short: &'static str,
    /// Its effect, in a sentence.
    pub title: &'static str,
    /// Heading under which help lists it.
    pub group: Group,
    /// `true` if it ends in a write to the cluster.
    pub writes: bool,
}

macro_rules! commands {
    ($($command:ident $name:literal [$($key:literal)*] $short:literal $title:literal $group:ident $writes:literal;)*) => {
        /// The table.
        pub const COMMANDS: &[Entry] = &[$(Entry {
            command: Command::$command, name: $name, keys: &[$($key),*], short: $short, title: $title,
            group: Group::$group, writes: $writes,
        }),*];
    };
}

commands! {
    Approve "approve" ["a"] "approve" "Approve the selected approval, or all marked ones" Decide true;
    Decline "decline" ["x"] "decline" "Decline it, with a reason" Decide true;
    Delete "delete" ["D"] "delete" "Delete it: a declined object is asked about again" Decide true;
    Undo "undo" ["u"] "undo" "Take back what has not been sent yet" Decide false;
    SendNow "send-now" [] "send" "Send at once what is still held" Decide true;
    Decisions "decisions" ["w"] "decisions" "What was decided here, and how it ended" Decide false;
    Mark "mark" ["space"] "mark" "Mark or unmark the row" Decide false;
    MarkShown "mark-shown" ["*"] "mark all" "Mark every row that the filter shows" Decide false;
    Unmark "unmark" ["U"] "unmark" "Unmark all rows" Decide false;
    Down "down" ["j" "down"] "down" "Next row" Move false;
    Up "up" ["k" "up"] "up" "Previous row" Move false;
    PageDown "page-down" ["pgdn" "ctrl-f"] "page" "A page down" Move false;
    PageUp "page-up" ["pgup" "ctrl-b"] "page" "A page up" Move false;
    Top "top" ["g" "home"] "top" "First row" Move false;
    Bottom "bottom" ["G" "end"] "bottom" "Last row" Move false;
    Left "left" ["h" "left"] "left" "Earlier columns" Move false;
    Right "right" ["l" "right"] "right" "Later columns" Move false;
    Open "open" ["enter"] "open" "Open the row" Move false;
    Back "back" ["esc" "backspace"] "back" "Back to where you came from" Move false;
    Approvals "approvals" ["1"] "approvals" "What waits for me" Views false;
    Events "events" ["2"] "events" "Transitions as they happen, one line per object" Views false;
    Objects "objects" ["3"] "objects" "Each rule's objects and their states" Views false;
    Rules "rules" ["4"] "rules" "Rules: understood, with data, objects per state" Views false;
    NextView "next-view" ["tab"] "next" "Next view" Views false;
    PreviousView "previous-view" ["backtab"] "previous" "Previous view" Views false;
    Filter "filter" ["/"] "filter" "Filter: words, !word, column=value, age>1h, ns=pg*" Find false;
    Fuzzy "fuzzy" ["f"] "fuzzy" "Fuzzy filter: letters in this order" Find false;
    ClearFilter "clear-filter" ["F"] "all" "Show all rows again" Find false;
    Sort "sort" ["s"] "sort" "Sort by the next column; `sort <column>` in the palette by any" Find false;
    Reverse "reverse" ["S"] "reverse" "Turn the order round" Find false;
    Pause "pause" ["p"] "pause" "Hold the list still, or let it go on" Find false;
    Namespace "namespace" ["n"] "namespace" "Another namespace, or all" Find false;
    ItsRule "its-rule" ["r"] "rule" "The rule it belongs to" Related false;
    ItsObjects "its-objects" ["b"] "objects" "The objects it belongs to" Related false;
    ItsApprovals "its-approvals" ["v"] "approvals" "Its approvals" Related false;
    ItsEvents "its-events" ["e"] "events" "Its events" Related false;
    Yaml "yaml" ["y"] "yaml" "The object as the cluster has it" Related false;
    OpenLink "open-link" ["o"] "browser" "Open the pull request in the browser" Related false;
    CopyLink "copy-link" ["Y"] "copy link" "Copy the pull request's link" Related false;
    CopyName "copy-name" ["c"] "copy name" "Copy namespace/name" Related false;
    Palette "palette" [":"] "commands" "Find a command by its name" Console false;
    Help "help" ["?"] "help" "What each key does" Console false;
    Context "context" ["C"] "context" "Another context of the kubeconfig" Console false;
    ReadOnly "read-only" ["ctrl-r"] "read-only" "Read-only on or off" Console false;
    Theme "theme" ["T"] "theme" "Next theme" Console false;
    Mouse "mouse" ["M"] "mouse" "Mouse on or off (off: the terminal selects text)" Console false;
    Reconnect "reconnect" ["R"] "reconnect" "Try the cluster now" Console false;
    Redraw "redraw" ["ctrl-l"] "redraw" "Draw the screen anew" Console false;
    Quit "quit" ["q" "ctrl-c"] "quit" "Leave" Console false;
    Yes "yes" ["y"] "yes" "Yes: write it" Answer true;
    No "no" ["n"] "no" "No: nothing is written" Answer false;
    Accept "accept" ["enter"] "take" "Press the button, take the entry, keep the filter" Answer false;
    Cancel "cancel" ["esc" "ctrl-c"] "leave" "Leave it: nothing is written, nothing changes" Answer false;
    NextField "next-field" ["tab"] "next" "Next field or button" Answer false;
    PreviousField "previous-field" ["backtab"] "previous" "Field or button before" Answer false;
    NextLine "next-line" ["down" "ctrl-n"] "down" "Next entry or line" Answer false;
    PreviousLine "previous-line" ["up" "ctrl-p"] "up" "Entry or line before" Answer false;
    OtherButton "other-button" ["left" "right" "h" "l"] "other" "The other button" Answer false;
    ReadOn "read-on" ["pgdn"] "more" "The rest of a long question" Answer false;
    ReadBack "read-back" ["pgup"] "back" "Its beginning" Answer false;
    RubOut "rub-out" ["backspace"] "rub out" "Take back a character" Answer false;
    ClearLine "clear-line" ["ctrl-u" "ctrl-w"] "clear" "Take back all that was typed" Answer false;
}

impl Command {
    /// Returns its line in the table.
    pub fn entry(self) -> &'static Entry {
        // Every command has a line; a test proves it. The first stands in so that this cannot panic.
        COMMANDS.iter().find(|e| e.command == self).unwrap_or(&COMMANDS[0])
    }

    /// Returns the command of this name.
    pub(crate) fn named(name: &str) -> Option<Command> {
        COMMANDS.iter().find(|e| e.name == name).map(|e| e.command)
    }
}
