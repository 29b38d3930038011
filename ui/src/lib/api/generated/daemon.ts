// Written from the Rust types of `host` by its tests, with BERTH_WRITE_PAGES=1. Changes go there.

/** What executes the guest's instructions. */
export type Accelerator = "kvm" | "tcg" | "hvf" | "whpx" | "hyperv" | "vz";

export interface BootStep {
  at_ms: number;
  name: string;
}

/** One thing that was looked at. */
export interface Check {
  /** What was found, and what to do about it if it is not good. */
  finding: string;
  name: string;
  verdict: Verdict;
}

export interface DaemonStatus {
  daemon: DaemonVersion;
  /** Seconds since 1970 UTC. */
  daemon_started_at: number;
  engine_socket: string;
  /** Ports published on the host. */
  forwards: Forward[];
  /** What the guest says about itself; absent while there is no link to it. */
  guest: GuestStatus | null;
  /** What of this computer the machine really holds. */
  held: Held;
  /** Where the engine is offered over TCP, as `tcp://ADDRESS:PORT`. */
  listening: string[];
  machine: MachineStatus;
  /** By which proxies registries are reached; `None` while there is no link to the guest. */
  proxies: ProxyReport | null;
  /** Whether there is a newer Berth; `None` of daemons that did not look for one. */
  updates: UpdateReport | null;
  /** Where running containers are found by name, with `NAME` for a container's; `None` while they are not. */
  web: string | null;
}

/** Read by clients of all versions: fields are only ever added, with a default. */
export interface DaemonVersion {
  /** Files and folders of this computer's that containers have open: they are taken away if this daemon ends. */
  open_files: number;
  pid: number;
  /** The program and what its file looked like when the daemon started: tells a client that it was replaced since. */
  program: Program;
  version: string;
}

/** The data disk as this computer and the machine see it. Sizes in bytes. */
export interface DiskReport {
  /** What containers can still write; likewise. */
  available: number | null;
  /** What its file takes of this computer's disk. */
  held: number | null;
  /** What is free on this computer's disk. */
  host_free: number;
  path: string;
  /** How large it is for the machine; `None` when there is none yet: the first start makes it. */
  size: number | null;
  /** What the machine has in use; absent while it cannot be asked. */
  used: number | null;
  /** How large the settings want it. */
  wanted: number;
}

/** What the machine was at when it failed. */
export type During = "start" | "run" | "reset";

export type EngineState = "ready" | "starting" | "gone";

/** Why there is no running machine. */
export interface Failure {
  /** The guest may still be there: `berth down` ends it. */
  alive: boolean;
  /** One line, worded for the user. */
  cause: string;
  /** The last lines of the serial console, the oldest first; filled in where they tell something. */
  console: string[];
  during: During;
  /** The step of the start that failed; `None`: the start was over. */
  step: Step | null;
  /** It is there and only did not answer: a start looks for it again, as it takes one that is not there. */
  unanswered: boolean;
}

/** One published port: what to listen on, and what it leads to. */
export interface Forward {
  host_ip: string;
  /** 0 asks for any free port; the answer names it, and so does every later list. */
  host_port: number;
  /** Chosen by the engine, unique among open forwards. */
  id: string;
  proto: Protocol;
  target_ip: string;
  target_port: number;
}

export interface GrowRequest {
  gib: number;
}

/** A data disk that is larger now, or will be. */
export interface Grown {
  /** Else the next start does it. */
  at_once: boolean;
  disk: DiskReport;
  /** Why a machine that runs has to be started again for it. */
  reason: string | null;
}

/** How the guest is. Sizes in bytes, times in milliseconds. */
export interface GuestStatus {
  /** Named steps of this boot and the guest clock (since kernel start) at which each was done. */
  boot: BootStep[];
  cpus: number;
  disk_available: number;
  /** The data disk's file system. */
  disk_total: number;
  engine: EngineState;
  forwards: number;
  kernel: string;
  load: [number, number, number];
  memory_available: number;
  memory_total: number;
  uptime_ms: number;
}

/** What of this computer the machine really holds, in bytes; what is not known is absent. */
export interface Held {
  /** Of the disk on which the data disk's file lies: it has holes. */
  disk: number | null;
  /** Of the guest's memory; where the system tells no parts of a process apart, of all that the hypervisor holds. */
  memory: number | null;
}

/** What carries the link's two lanes. */
export type LinkKind = "vsock" | "serial" | "none";

/** What `all`(super::all) tells of one, for whoever lists them. */
export interface Listed {
  /** The docker context that leads to it while it runs. */
  context: string;
  cpus: number;
  disk_gib: number;
  /** Bytes that its disk takes of this computer. */
  disk_held: number;
  in_use: boolean;
  memory_mib: number;
  name: string;
  /** As its daemon says it; of one without a daemon `running` or `stopped`. */
  phase: string;
}

/** Which log `GET /logs` sends. */
export type LogSource = "daemon" | "console" | "qemu" | "vsock";

/** Everything that the host knows about the machine without asking the guest. */
export interface MachineStatus {
  accelerator: Accelerator | null;
  failure: Failure | null;
  /** The version of berth in the guest. */
  guest_version: string | null;
  /** There is a data disk: the machine was started before, by whichever daemon, and perhaps there is something on it. */
  has_disk: boolean;
  /** Such as `QEMU 10.0.2`. */
  hypervisor: string | null;
  hypervisor_pid: number | null;
  image_version: string | null;
  link: LinkKind | null;
  /** What the user must know, each said once: another accelerator was taken, a port could not be opened again. */
  notes: string[];
  /** It runs and stands still, since it has nothing to do; it goes on for whoever comes. */
  paused: boolean;
  phase: Phase;
  /** How far the latest reset came; `None` when there was none, or the machine was started anew since. */
  reset: ResetReport | null;
  /** How long the latest start took, from the request to the engine's answer. */
  start_milliseconds: number | null;
  /** Seconds since 1970 UTC. */
  started_at: number | null;
  steps: StepReport[];
  /** Why a machine that is there does not serve right now; it goes away by itself or says what to do. */
  trouble: string | null;
}

/** A newer Berth, and where it is. */
export interface Newer {
  /** Such as `2026-11-27`. */
  date: string;
  /** What is there for this system; `None` when there is nothing for it. */
  file: UpdateFile | null;
  /** What is new in it. */
  notes: string;
  version: string;
}

/** How far the latest reset came. */
export type Outcome = "under_way" | "done" | "not_begun" | "incomplete";

export type Phase = "stopped" | "starting" | "running" | "stopping" | "failed" | "resetting";

/** A program's file, as it was at some moment. */
export interface Program {
  /** Length, time of change in ns, inode. */
  fingerprint: [number, number, number];
  path: string;
}

export type Progress = "waiting" | "active" | "done" | "failed";

export type Protocol = "tcp" | "udp";

/** The proxies in force, without users and passwords. */
export interface ProxyReport {
  /** This computer's desktop names a script that chooses proxies, or one of a kind that is not spoken: neither is followed. */
  desktop_is_unread: boolean;
  http: string | null;
  https: string | null;
  no_proxy: string | null;
  source: ProxySource;
}

/** Where the proxies in force are from. */
export type ProxySource = "settings" | "environment" | "desktop" | "none";

/** A reset, for as long as it is the last thing of note that was asked: the next start that is not part of it forgets it. */
export interface ResetReport {
  keep_volumes: boolean;
  outcome: Outcome;
}

export interface ResetRequest {
  /** Keep named volumes; containers, images and networks go. */
  keep_volumes?: boolean;
}

export interface SettingChange {
  name: string;
  /** `None` takes the setting back to its default. */
  value?: string | null;
}

/** One setting as `berth config list` shows it. */
export interface SettingEntry {
  default: string;
  /** One or two sentences in English, with the unit. */
  description: string;
  /**
   * What the machine that is there was started with, where that is another value: this one waits for the next start. Without
   * passwords of URLs, so that it may look the same.
   */
  in_force: string | null;
  /** Set by the user, be it to the default's value. */
  is_set: boolean;
  name: string;
  takes_effect: Takes;
  /** Without passwords of URLs, unlike `Settings::get`. */
  value: string;
}

export interface Snapshot {
  /** Bytes that it takes of this computer, blocks that it shares counted too. */
  held: number;
  /** Seconds since 1970 UTC. */
  made_at: number;
  name: string;
  /** Bytes of the disk. */
  size: number;
}

/** What a start consists of, in order. */
export type Step = "check" | "image" | "disk" | "boot" | "link" | "engine";

/** One step of the current or latest start. */
export interface StepReport {
  /** What makes it take long just now, such as `checking the data disk`. */
  doing: string | null;
  /** How long it took, or has taken so far. */
  milliseconds: number;
  progress: Progress;
  step: Step;
}

/** When a change comes into force. */
export type Takes = "at_once" | "at_next_start";

/** What a machine gave back of its data disk, in bytes. */
export interface Trimmed {
  /** The difference. What others wrote meanwhile may hide it. */
  given_back: number;
  held_after: number;
  /** What the file took of this computer's disk before and after. */
  held_before: number;
  /** What the guest named as free since it did so last; part of it may never have been written. */
  named_free: number;
}

/** A machine of which nothing but its name can be told. */
export interface Unreadable {
  name: string;
  reason: string;
}

export interface UpdateFile {
  /** To compare with, in hexadecimal digits. */
  sha256: string;
  url: string;
}

/** What somebody who wants to know is told. */
export interface UpdateReport {
  /** When it was looked last with success, in seconds since 1970 UTC. */
  looked_at: number | null;
  /** Found at that time, and newer than this program. */
  newer: Newer | null;
  state: UpdateState;
  /** Why this build looks nowhere, or the last look failed. */
  why: string | null;
}

export type UpdateState = "not_looked" | "available" | "unavailable" | "off" | "current" | "failed";

export type Verdict = "good" | "notice" | "bad";
