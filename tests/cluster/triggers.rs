//! Orders that are carried out once.
