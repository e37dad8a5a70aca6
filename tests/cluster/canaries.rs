//! Secrets come out nowhere.
