//! The rooms of `src/` and their arrows are those of `docs/architecture.md`, and no file imports itself in the end.

#![allow(clippy::unwrap_used, reason = "a test says so by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use syn::visit::{self, Visit};
use syn::{Item, ItemMod, ItemUse, UseTree};

/// What a file imports of this crate, as paths from its root, and what it re-exports: name and path.
struct Imports {
    module: Vec<String>,
    paths: BTreeSet<Vec<String>>,
    reexports: BTreeMap<String, Vec<String>>,
}

impl Imports {
    fn of(module: &[String], text: &str) -> Self {
        let mut imports =
            Self { module: module.to_vec(), paths: BTreeSet::new(), reexports: BTreeMap::new() };
        imports.visit_file(&syn::parse_file(text).unwrap());
        imports
    }

    /// The path from the root of the crate. One that leads out of it becomes one that names this module.
    fn resolve(&self, path: &[String]) -> Vec<String> {
        let ups = path.iter().take_while(|part| *part == "super").count();
        match path[0].as_str() {
            "crate" => path[1..].to_vec(),
            "self" => [&self.module, &path[1..]].concat(),
            _ => [&self.module[..self.module.len().saturating_sub(ups)], &path[ups..]].concat(),
        }
    }

    fn take(&mut self, tree: &UseTree, before: &[String], is_public: bool) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        let path = match tree {
            UseTree::Path(path) => return self.take(&path.tree, &with(&path.ident), is_public),
            UseTree::Group(group) => {
                return group.items.iter().for_each(|tree| self.take(tree, before, is_public));
            }
            UseTree::Name(name) if name.ident == "self" => before.to_vec(),
            UseTree::Name(name) => with(&name.ident),
            UseTree::Rename(rename) => with(&rename.ident),
            UseTree::Glob(_) => before.to_vec(),
        };
        let resolved = self.resolve(&path);
        if is_public && let Some(name) = path.last() {
            self.reexports.insert(name.clone(), resolved);
        } else {
            self.paths.insert(resolved);
        }
    }
}

impl Visit<'_> for Imports {
    fn visit_item(&mut self, item: &Item) {
        // Unit tests may look at anything.
        if !matches!(item, Item::Mod(ItemMod { ident, .. }) if ident == "tests") {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &ItemUse) {
        self.take(&item.tree, &[], matches!(item.vis, syn::Visibility::Public(_)));
    }

    fn visit_path(&mut self, path: &syn::Path) {
        let parts: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if parts.len() > 1 {
            self.paths.insert(self.resolve(&parts));
        }
        visit::visit_path(self, path);
    }
}

/// The files of `src/` by module path, without those of unit tests.
fn sources(folder: &Path, module: &[String], into: &mut BTreeMap<Vec<String>, Imports>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let own = if name == "mod" || name == "lib" { module.to_vec() } else { [module, &[name]].concat() };
        if path.is_dir() {
            sources(&path, &own, into);
        } else if !own.iter().any(|part| part == "tests") {
            let imports = Imports::of(&own, &std::fs::read_to_string(&path).unwrap());
            into.insert(own, imports);
        }
    }
}

fn all() -> BTreeMap<Vec<String>, Imports> {
    let mut all = BTreeMap::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &[], &mut all);
    all
}

/// The file that holds what a path names; what a room's front re-exports is in another one.
fn file<'a>(all: &'a BTreeMap<Vec<String>, Imports>, path: &[String]) -> Option<&'a Imports> {
    let length = (0..=path.len()).rev().find(|length| all.contains_key(&path[..*length]))?;
    let found = &all[&path[..length]];
    match path.get(length).and_then(|name| found.reexports.get(name)) {
        Some(other) => file(all, other),
        None => Some(found),
    }
}

/// Which files a file imports.
fn imported(all: &BTreeMap<Vec<String>, Imports>, by: &Imports) -> BTreeSet<Vec<String>> {
    let files = by.paths.iter().filter_map(|path| file(all, path));
    files.map(|file| file.module.clone()).filter(|module| *module != by.module).collect()
}

/// The room of a file: a folder of `src/` or of `src/reconcile/`, or a file that is in none.
fn room(all: &BTreeMap<Vec<String>, Imports>, module: &[String]) -> String {
    let is_folder =
        |path: &[String]| all.keys().any(|other| other.len() > path.len() && other.starts_with(path));
    let length = match module {
        [first, second, ..] if first == "reconcile" && is_folder(&[first.clone(), second.clone()]) => 2,
        [] => return "lib".to_owned(),
        _ => 1,
    };
    module[..length].join("/")
}

/// The rows of the table of rooms: the rooms of a row, and those that it imports.
fn documented() -> Vec<(Vec<String>, BTreeSet<String>)> {
    let page = include_str!("../docs/architecture.md");
    let part = page.split("## Rooms").nth(1).unwrap().split("\n## ").next().unwrap();
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    let rows = part.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        (names(cells[0]), names(cells[2]).into_iter().collect())
    })
    .collect()
}

#[test]
fn the_arrows_are_those_of_the_document_and_lead_downwards() {
    let all = all();
    let rows = documented();
    let mut arrows: BTreeMap<usize, BTreeSet<String>> =
        (0..rows.len()).map(|row| (row, BTreeSet::new())).collect();
    let row = |room: &str| {
        let found = rows.iter().position(|(rooms, _)| rooms.iter().any(|known| known == room));
        found.unwrap_or_else(|| panic!("docs/architecture.md lacks the room {room}"))
    };
    for file in all.values() {
        let own = row(&room(&all, &file.module));
        for other in imported(&all, file) {
            let theirs = room(&all, &other);
            assert!(
                row(&theirs) >= own,
                "{} imports {}, which is above it",
                file.module.join("::"),
                other.join("::")
            );
            if row(&theirs) != own {
                arrows.get_mut(&own).unwrap().insert(theirs);
            }
        }
    }
    let found: Vec<_> = rows.iter().enumerate().map(|(index, (rooms, _))| (rooms, &arrows[&index])).collect();
    let documented: Vec<_> = rows.iter().map(|(rooms, arrows)| (rooms, arrows)).collect();
    assert_eq!(found, documented, "left: src/; right: docs/architecture.md");
}

#[test]
fn no_file_imports_itself_in_the_end() {
    let all = all();
    // A room's front and its files know of each other: it names them, and they use what all of them share.
    let is_front =
        |module: &[String]| all.keys().any(|other| other.len() > module.len() && other.starts_with(module));
    let files: BTreeMap<_, _> =
        all.iter().map(|(module, file)| (module.clone(), imported(&all, file))).collect();
    for begin in files.keys().filter(|module| !is_front(module)) {
        let (mut seen, mut next) = (BTreeSet::new(), vec![begin]);
        while let Some(module) = next.pop() {
            for other in files[module].iter().filter(|other| !is_front(other)) {
                assert_ne!(other, begin, "{} imports itself by {}", begin.join("::"), module.join("::"));
                if seen.insert(other) {
                    next.push(other);
                }
            }
        }
    }
}
