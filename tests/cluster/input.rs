//! Bad input that only the operator can see.
