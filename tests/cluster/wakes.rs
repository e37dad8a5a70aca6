//! What wakes a resource, and what does not cost a call.
