//! Every reason, from Auth0's own words to the condition.
