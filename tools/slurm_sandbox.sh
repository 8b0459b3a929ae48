#!/usr/bin/env bash
# slurm_sandbox.sh up|down|kill-node NAME|start-node NAME|kill-controller|start-controller
# A Slurm of this machine's own for tests: a controller and virtual nodes on the loopback, with processes of this user, no systemd
# and no cgroups. Needs slurmctld, slurmd and munged (Debian: slurm-wlm, munge). `up` prints the variable that clients need.
set -euo pipefail
S=${SLURM_SANDBOX:-/tmp/augtrial-slurm}
P=${SLURM_SANDBOX_PORT:-26817}
NODES=${SLURM_SANDBOX_NODES:-4}

stop() { # PIDFILE [SIGNAL]
  [ -s "$1" ] || return 0
  local p; p=$(cat "$1")
  kill "${2:--TERM}" "$p" 2>/dev/null || true
  for _ in $(seq 100); do kill -0 "$p" 2>/dev/null || break; sleep .05; done
  kill -KILL "$p" 2>/dev/null || true
  rm -f "$1"
}

down() {
  [ -d "$S" ] || return 0
  SLURM_CONF=$S/slurm.conf timeout 10 scancel --me --signal=KILL --full 2>/dev/null || true
  SLURM_CONF=$S/slurm.conf timeout 10 scancel --me 2>/dev/null || true
  sleep 1
  for n in $(seq "$NODES"); do stop "$S/n$n.pid"; done
  stop "$S/ctld.pid"
  stop "$S/munged.pid"
  rm -rf "$S"
}

up() {
  down
  local host; host=$(hostname -s)
  mkdir -p "$S"/{state,log}
  for n in $(seq "$NODES"); do mkdir -p "$S/spool/n$n"; done
  chmod 755 "$S"
  (umask 077; head -c 1024 /dev/urandom > "$S/munge.key")
  /usr/sbin/munged --socket="$S/munge.sock" --key-file="$S/munge.key" --pid-file="$S/munged.pid" \
    --log-file="$S/log/munged.log" --seed-file="$S/munge.seed" --num-threads=2 --force
  cat > "$S/slurm.conf" <<C
ClusterName=sandbox
SlurmctldHost=$host(127.0.0.1)
SlurmUser=$(id -un)
SlurmdUser=$(id -un)
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket=$S/munge.sock,cred_expire=5
SlurmctldPort=$P
SlurmctldPidFile=$S/ctld.pid
SlurmdPidFile=$S/%n.pid
StateSaveLocation=$S/state
SlurmdSpoolDir=$S/spool/%n
SlurmctldLogFile=$S/log/ctld.log
SlurmdLogFile=$S/log/%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
MpiDefault=none
SwitchType=switch/none
MailProg=/bin/true
ReturnToService=2
MinJobAge=300
KillWait=5
SlurmdTimeout=10
JobRequeue=1
C
  for n in $(seq "$NODES"); do
    echo "NodeName=n$n NodeHostname=$host NodeAddr=127.0.0.1 Port=$((P + n)) CPUs=1 RealMemory=2000" >> "$S/slurm.conf"
  done
  echo "PartitionName=main Nodes=n[1-$NODES] Default=YES MaxTime=INFINITE State=UP" >> "$S/slurm.conf"
  export SLURM_CONF=$S/slurm.conf
  slurmctld
  for n in $(seq "$NODES"); do slurmd -N "n$n"; done
  for _ in $(seq 150); do [ "$(sinfo -h -t idle -o %D 2>/dev/null)" = "$NODES" ] && break; sleep .1; done
  [ "$(sinfo -h -t idle -o %D)" = "$NODES" ] || { sinfo; tail -n 20 "$S"/log/*.log; return 1; } >&2
  echo "SLURM_CONF=$S/slurm.conf"
}

export SLURM_CONF=$S/slurm.conf
case ${1:-} in
  up) up ;;
  down) down ;;
  kill-node) stop "$S/$2.pid" -KILL ;;
  start-node) slurmd -N "$2" ;;
  kill-controller) stop "$S/ctld.pid" -KILL ;;
  start-controller) slurmctld ;;
  *) echo "usage: $0 up|down|kill-node NAME|start-node NAME|kill-controller|start-controller" >&2; exit 2 ;;
esac
