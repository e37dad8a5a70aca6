//! Every input of the card, as Auth0 receives it.
