//! Blank values, clears and dropped nulls, as Auth0 receives them.
