//! Batch files as they are written, and answers of `squeue` as they are read.

use super::*;
use crate::places::tests::example;

fn batch(request: Request) -> Batch {
    example("slurm", request, std::path::Path::new("/shared/it's here"))
}

fn file(batch: &Batch, name: &str) -> String {
    Slurm.files(batch).into_iter().find(|(found, _)| *found == name).unwrap().1
}

#[test]
fn a_batch_file_can_be_read() {
    let request = Request { at_once: Some(4), partition: Some("main".to_owned()), gpu: true, ..Request::default() };
    insta::assert_snapshot!(file(&batch(request), "trials.sbatch"), @r#"
    #!/bin/bash
    # The trials, one task a line of tasks.jsonl, of study tiny, batch 0badcafe. Edit what you like, then run submit.sh.
    #SBATCH --job-name=augtrial-0badcafe-trials
    #SBATCH --array=0-6%4
    #SBATCH --cpus-per-task=2
    #SBATCH --mem=700M
    #SBATCH --requeue
    #SBATCH --open-mode=append
    #SBATCH --signal=B:USR1@120
    #SBATCH --output=logs/trials-%a.log
    #SBATCH --partition=main
    #SBATCH --gres=gpu:1

    # USR1 comes 120 s before the time limit: the task saves and queues itself again. Until it listens, ignore it.
    trap '' USR1
    # Threads decide the last bits of a result: keep the number.
    export OMP_NUM_THREADS=2 RAYON_NUM_THREADS=2
    export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-PASSIVE}"
    export ATEN_CPU_CAPABILITY=avx2
    unset DNNL_MAX
    exec '/opt/aug trial/augtrial-torch' task '/shared/it'\''s here' trials "$SLURM_ARRAY_TASK_ID"
    "#);
}

#[test]
fn a_task_whose_command_needs_who_knows_how_much_memory_asks_for_none() {
    let of_command = Batch { memory_mib: None, ..batch(Request::default()) };
    assert!(!file(&of_command, "trials.sbatch").contains("--mem"));
    assert!(file(&of_command, "sets.sbatch").contains("--mem=900M"), "sets are made by augtrial");
}

#[test]
fn jobs_follow_one_another_and_leave_nothing_if_one_is_refused() {
    insta::assert_snapshot!(file(&batch(Request::default()), "submit.sh"), @r#"
    #!/bin/bash
    # Submits all jobs of study tiny, batch 0badcafe. Edit what you like, then run submit.sh.
    set -Eeuo pipefail
    cd "$(dirname "$0")"
    mkdir -p logs
    touch submitted
    jobs=
    after=
    # If one is refused, those before it are cancelled.
    trap '[ -z "$jobs" ] || scancel $jobs' ERR
    submit() { # each after the one before it, however that ends
      local answer
      answer=$(sbatch --parsable --kill-on-invalid-dep=yes ${after:+--dependency=afterany:$after} "$1.sbatch")
      after=${answer%%;*}
      jobs="$jobs $after"
      echo "$1: job $after"
    }
    submit sets
    submit trials
    submit collect
    "#);
}

#[test]
fn an_option_of_the_user_replaces_the_one_that_would_be_written() {
    let extra = vec!["--signal=B:USR1@20".to_owned(), "--mem=0".to_owned(), "--exclusive".to_owned()];
    let text = file(&batch(Request { extra, ..Request::default() }), "trials.sbatch");
    assert_eq!(text.matches("--signal=").count(), 1);
    assert!(text.contains("#SBATCH --signal=B:USR1@20") && text.contains("#SBATCH --mem=0"), "{text}");
    assert!(text.contains("#SBATCH --exclusive") && !text.contains("--mem=700M"), "{text}");
}

#[test]
fn what_the_queue_holds_is_told_by_the_names_of_our_jobs_and_what_has_ended_is_not_in_it() {
    let lines = "augtrial-0badcafe-trials|3|PENDING|Resources\naugtrial-0badcafe-trials|0|RUNNING|None\n\n\
                 augtrial-0badcafe-sets|1|COMPLETED|None\naugtrial-0badcafe-trials|5|REQUEUE_HOLD|None\n\
                 augtrial-0badcafe-trials|6|PENDING|launch failed requeued held\n";
    let answer = parse(&batch(Request::default()), lines).unwrap();
    let held = InQueue::Held("REQUEUE_HOLD".to_owned());
    let failed = InQueue::Held("launch failed requeued held".to_owned());
    let expected = [(0, InQueue::Running), (3, InQueue::Waiting), (5, held), (6, failed)];
    assert_eq!(answer, expected.map(|(index, seen)| ((Stage::Trials, index), seen)).into());
    assert_eq!(parse(&batch(Request::default()), "").unwrap(), Answer::new());
    for wrong in
        ["slurm_load_jobs error: Unable to contact", "augtrial-0badcafe-trials|x|PENDING|None", "other|1|PENDING|None"]
    {
        assert!(parse(&batch(Request::default()), wrong).unwrap_err().contains(wrong), "{wrong}");
    }
}

#[test]
fn more_trials_than_an_array_holds_are_packed() {
    let tasks = |trials| Slurm.accept(Request::default(), trials).unwrap().trials_per_task;
    assert_eq!([1, 1000, 1001, 10_000].map(tasks), [1, 1, 2, 10]);
    assert_eq!(Slurm.accept(Request { trials_per_task: 3, ..Request::default() }, 5000).unwrap().trials_per_task, 3);
}
