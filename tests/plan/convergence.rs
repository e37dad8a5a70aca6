//! One pass makes the user what the spec asks, touches nothing else, and leaves nothing for the next.

use crate::driver::{End, Fault, Operator};
use crate::generate::{config, history, unwilling, willing};
use crate::wish;
use crate::world::Auth0;
use proptest::prelude::*;

/// Looks again and again, and finds nothing to send and nothing to write.
pub fn assert_settled(operator: &mut Operator, auth0: &mut Auth0) {
    auth0.log.clear();
    let memory = operator.memory.clone();
    for _ in 0..2 {
        operator.pass(auth0, Fault::None);
        assert!(auth0.log.is_empty(), "the next pass sends {:?}", auth0.log);
        assert_eq!(operator.memory.triggers, memory.triggers, "the next pass writes");
        assert_eq!(operator.memory.not_persisted, memory.not_persisted, "the next pass writes");
        assert_eq!(operator.memory.refused, memory.refused, "the next pass writes");
    }
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn one_pass_makes_the_user_what_the_spec_asks_and_touches_nothing_else(scene in willing()) {
        let before = scene.auth0();
        let mut auth0 = before.clone();
        let mut operator = Operator::new(&scene.card);
        operator.secret = scene.secret.clone();
        let report = operator.pass(&mut auth0, Fault::None);
        prop_assert_eq!(wish::touched(&scene.card, &before, &auth0), Vec::<String>::new(), "{:?}", auth0.log);
        if report.end == End::Failed {
            prop_assert!(auth0.log.is_empty());
            return Ok(());
        }
        let wrong = wish::unfulfilled(&scene.card, &scene.secret, &before, &auth0, &report.refused);
        prop_assert_eq!(wrong, Vec::<String>::new(), "{:?}", auth0.log);
        prop_assert_eq!(report.not_persisted, Vec::<String>::new());
        assert_settled(&mut operator, &mut auth0);
    }

    #[test]
    fn one_pass_settles_whatever_auth0_refuses_or_changes(scene in unwilling()) {
        let mut auth0 = scene.auth0();
        let mut operator = Operator::new(&scene.card);
        operator.secret = scene.secret.clone();
        operator.pass(&mut auth0, Fault::None);
        assert_settled(&mut operator, &mut auth0);
    }

    #[test]
    fn every_edit_and_every_drift_settles_in_one_pass((scene, edits) in history()) {
        let mut auth0 = scene.auth0();
        let mut operator = Operator::new(&scene.card);
        operator.secret = scene.secret.clone();
        operator.pass(&mut auth0, Fault::None);
        for (card, secret, drift) in edits {
            operator.edit(&card);
            operator.secret = secret;
            auth0.account.user = drift.map_or(auth0.account.user, |user| user.as_object().unwrap().clone());
            operator.pass(&mut auth0, Fault::None);
            assert_settled(&mut operator, &mut auth0);
        }
    }
}
