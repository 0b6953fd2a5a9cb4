//! Parts that decisions are made of, one at a time.
