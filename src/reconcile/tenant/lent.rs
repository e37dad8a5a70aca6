//! What the status of a tenant says of the namespaces that it is lent to. Pure.

use crate::access::{grants, has, is_held};
use crate::api::{Auth0Tenant, Grant, NamespaceAccess, Output};
use crate::reconcile::status::fit;
use kube::ResourceExt as _;
use std::collections::{BTreeMap, BTreeSet};

/// More namespaces than these are counted only.
const MOST_NAMESPACES: usize = 100;

/// Of more grants for one namespace only the number is told.
const MOST_LINES: usize = 8;

/// A longer line is cut, in bytes; so is a list in it.
const LONGEST_LINE: usize = 160;

/// Whether other namespaces may use it, as far as it says anything of them.
#[must_use]
pub fn is_lent(tenant: &Auth0Tenant) -> bool {
    !tenant.spec.access.is_empty() || !tenant.spec.allowed_namespaces.is_empty()
}

/// What each namespace may do and how many resources use the tenant, those first that do; and how many namespaces there
/// are. Nothing for a tenant that is lent to none. `resources`: how many name it, by namespace.
#[must_use]
pub fn lent(tenant: &Auth0Tenant, resources: &BTreeMap<String, u32>) -> (Vec<NamespaceAccess>, Option<u32>) {
    if !is_lent(tenant) {
        return (Vec::new(), None);
    }
    let granted = grants(tenant);
    let named = granted.iter().flat_map(|grant| &grant.namespaces).filter(|name| *name != "*");
    let namespaces: BTreeSet<String> =
        named.chain(resources.keys()).cloned().chain(tenant.namespace()).collect();
    let rows = namespaces.into_iter().filter_map(|namespace| {
        let may = if is_held(tenant, &namespace) {
            lines(&granted.iter().filter(|grant| has(&grant.namespaces, &namespace)).collect::<Vec<_>>())
        } else {
            vec!["everything".to_owned()]
        };
        let resources = resources.get(&namespace).copied().unwrap_or_default();
        (!may.is_empty()).then_some(NamespaceAccess { namespace, may, resources })
    });
    let mut rows: Vec<NamespaceAccess> = rows.collect();
    let total = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    rows.sort_by_key(|row| row.resources == 0);
    rows.truncate(MOST_NAMESPACES);
    (rows, Some(total))
}

fn lines(grants: &[&Grant]) -> Vec<String> {
    let mut lines: Vec<String> = grants.iter().take(MOST_LINES).map(|grant| line(grant)).collect();
    if let Some(more) = grants.len().checked_sub(MOST_LINES).filter(|more| *more > 0) {
        lines.push(format!("and {more} grants more"));
    }
    lines
}

/// A grant in one line, such as `email, block; users auth0|*; connections People; outputs Mapped`.
fn line(grant: &Grant) -> String {
    let list = |what: &str, names: &[String]| {
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        format!("{what}{}", fit::list(&names, LONGEST_LINE))
    };
    let mut parts = vec![list("", &grant.fields)];
    if !grant.user_ids.is_empty() {
        parts.push(list("users ", &grant.user_ids));
    }
    if !grant.connections.is_empty() {
        parts.push(list("connections ", &grant.connections));
    }
    match grant.outputs {
        Some(Output::Full) => parts.push("outputs Full".to_owned()),
        Some(Output::Mapped) => parts.push("outputs Mapped".to_owned()),
        Some(Output::None) | None => {}
    }
    fit::text(&parts.join("; "), 2 * LONGEST_LINE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reconcile::tenant::fixtures::tenant_with;
    use serde_json::{Value, json};

    type Row = (String, Vec<String>, u32);

    fn of(fields: &Value, resources: &[(&str, u32)]) -> (Vec<Row>, Option<u32>) {
        let resources =
            resources.iter().map(|(namespace, count)| ((*namespace).to_owned(), *count)).collect();
        let (rows, total) = lent(&tenant_with("t", &json!({}), fields), &resources);
        (rows.into_iter().map(|row| (row.namespace, row.may, row.resources)).collect(), total)
    }

    fn row(namespace: &str, may: &[&str], resources: u32) -> Row {
        (namespace.to_owned(), may.iter().map(|line| (*line).to_owned()).collect(), resources)
    }

    #[test]
    fn each_namespace_is_told_with_its_grants_and_its_resources_those_that_use_it_first() {
        assert_eq!(of(&json!({}), &[("n", 5)]), (vec![], None));
        let fields = json!({"allowedNamespaces": ["a"], "access": [
            {"namespaces": ["b", "n"], "fields": ["email"], "userIds": ["auth0|*"], "connections": ["People"], "outputs": "Full"},
            {"namespaces": ["*"], "fields": ["block"]},
        ]});
        let email = "email; users auth0|*; connections People; outputs Full";
        let rows = vec![
            row("n", &[email, "block"], 5),
            row("stranger", &["block"], 1),
            row("a", &["block", "profile, userMetadata, block; outputs Mapped"], 0),
            row("b", &[email, "block"], 0),
        ];
        assert_eq!(of(&fields, &[("n", 5), ("stranger", 1)]), (rows, Some(4)));
        let unnamed = json!({"access": [{"namespaces": ["b"], "fields": ["*"]}]});
        let rows = vec![row("b", &["*"], 0), row("n", &["everything"], 0)];
        assert_eq!(of(&unnamed, &[("stranger", 1)]), (rows, Some(2)), "who may do nothing is not told");
    }

    #[test]
    fn of_many_namespaces_and_grants_as_many_are_told_as_fit() {
        let namespaces: Vec<String> = (0..256).map(|number| format!("namespace-{number:03}")).collect();
        let long: Vec<String> =
            (0..64).map(|number| format!("userMetadata.{number}{}", "k".repeat(250))).collect();
        let grant = json!({"namespaces": ["*"], "fields": long, "userIds": long, "connections": long});
        let (rows, total) =
            of(&json!({"allowedNamespaces": namespaces, "access": vec![grant; 64]}), &[("z", 1)]);
        assert_eq!((rows.len(), total, rows[0].0.as_str(), rows[0].1.len()), (100, Some(258), "z", 9));
        let bytes = serde_json::to_string(&rows).unwrap().len();
        assert!(bytes < 200 * 1024, "{bytes}");
    }
}
