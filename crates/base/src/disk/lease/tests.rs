//! Leases between threads, between processes as far as their content tells, and in a folder that moves.

use super::*;

fn take(path: &Path) -> Option<Lease> {
    Lease::take(path, "me", || false).unwrap()
}

/// Makes the content of a lease say what `change` makes of it, and puts its last renewal so far back.
fn rewrite(file: &Path, ago: Duration, change: impl FnOnce(&mut Content)) {
    let mut content: Content = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    change(&mut content);
    fs::write(file, serde_json::to_string(&content).unwrap()).unwrap();
    File::open(file).unwrap().set_modified(SystemTime::from(Clock::System.now()) - ago).unwrap();
}

#[test]
fn of_many_that_want_a_lease_one_gets_it_and_it_can_be_had_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lease");
    assert_eq!(lease_state(&path).unwrap(), LeaseState::New);
    for round in 0..5 {
        let taken: Vec<Lease> = thread::scope(|scope| {
            let takers: Vec<_> = (0..8).map(|_| scope.spawn(|| take(&path))).collect();
            takers.into_iter().filter_map(|taker| taker.join().unwrap()).collect()
        });
        assert_eq!(taken.len(), 1, "round {round}");
        assert_eq!(lease_state(&path).unwrap(), LeaseState::Held("me".to_owned()));
        assert!(taken[0].is_ours().unwrap());
        assert!(take(&path).is_none());
        drop(taken);
        assert_eq!(lease_state(&path).unwrap(), LeaseState::Free);
    }
    assert_eq!(numbers(&path).unwrap(), [5], "old numbers are cleared away, and none is used twice");
}

#[test]
fn a_process_that_is_known_to_be_dead_is_followed_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lease");
    for death in [
        |content: &mut Content| content.process.boot = Some("before".to_owned()),
        |content: &mut Content| content.process.started = Some(1),
    ] {
        let frozen = take(&path).unwrap();
        let file = numbered(&path, highest(&path).unwrap().unwrap());
        rewrite(&file, Duration::ZERO, death);
        assert_eq!(lease_state(&path).unwrap(), LeaseState::Free);
        let next = take(&path).unwrap();
        assert!(!frozen.is_ours().unwrap(), "it was not dead after all, and must not write any more");
        assert!(next.is_ours().unwrap());
        drop(frozen);
        assert!(next.is_ours().unwrap(), "its release releases nothing of the next one's");
    }
}

#[test]
fn a_process_of_another_machine_is_followed_only_after_its_silence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lease");
    let _elsewhere = take(&path).unwrap();
    let file = numbered(&path, 1);
    let elsewhere = |content: &mut Content| content.process.host = "elsewhere".to_owned();
    rewrite(&file, SILENCE / 2, elsewhere);
    assert!(take(&path).is_none(), "it may live");
    rewrite(&file, SILENCE * 2, elsewhere);
    assert_eq!(lease_state(&path).unwrap(), LeaseState::Free, "a look tells at once");
    let renewed = thread::scope(|scope| {
        let taker = scope.spawn(|| take(&path));
        thread::sleep(LOOK * 2);
        rewrite(&file, SILENCE + RENEWAL, elsewhere);
        taker.join().unwrap()
    });
    assert!(renewed.is_none(), "it was renewed while it was watched, by whatever clock");
    assert!(Lease::take(&path, "me", || true).unwrap().is_none(), "watching can be stopped");
}

#[test]
fn a_slow_process_cannot_take_an_old_number() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lease");
    drop(take(&path));
    drop(take(&path));
    let holder = take(&path).unwrap();
    // It looked when number 1 was the highest, and slept until now.
    let slow = Lease::make(&numbered(&path, 2), "slow").unwrap().unwrap();
    assert!(!slow.is_ours().unwrap(), "a higher number is there");
    assert!(holder.is_ours().unwrap());
}

#[test]
fn a_lease_moves_with_its_folder() {
    let folder = tempfile::tempdir().unwrap();
    let (draft, place) = (folder.path().join("draft"), folder.path().join("place"));
    fs::create_dir(&draft).unwrap();
    let lease = take(&draft.join("lease")).unwrap();
    fs::rename(&draft, &place).unwrap();
    lease.moved_to(&place);
    assert!(lease.is_ours().unwrap());
}
