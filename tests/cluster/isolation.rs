//! One bad object does not stop the others.
