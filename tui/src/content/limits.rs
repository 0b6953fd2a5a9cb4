//! Sizes of the terminal that matter.

/// Lines of the header.
pub(crate) const HEADER: u16 = 2;

/// Below this nothing is drawn.
pub(crate) const DRAWN: (u16, u16) = (20, 5);

/// Narrowest and lowest terminal that shows everything.
pub(crate) const SMALLEST: (u16, u16) = (60, 16);

/// `true` if a terminal of this size is large enough to draw anything.
pub(crate) fn is_drawn((width, height): (u16, u16)) -> bool {
    width >= DRAWN.0 && height >= DRAWN.1
}
