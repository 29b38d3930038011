//! What the tray says, in the language of the system. Pages have their own texts.

use host::machine::Phase;

use crate::notices::Failed;

/// In one language.
pub(crate) struct Words {
    pub(crate) stopped: &'static str,
    starting: &'static str,
    running: &'static str,
    paused: &'static str,
    stopping: &'static str,
    resetting: &'static str,
    fault: &'static str,
    pub(crate) open: &'static str,
    pub(crate) terminal: &'static str,
    pub(crate) start: &'static str,
    pub(crate) stop: &'static str,
    pub(crate) containers: &'static str,
    pub(crate) no_containers: &'static str,
    pub(crate) more: fn(usize) -> String,
    pub(crate) newer: fn(&str) -> String,
    pub(crate) quit: &'static str,
    pub(crate) quit_text: &'static str,
    pub(crate) leave: &'static str,
    pub(crate) stop_and_quit: &'static str,
    pub(crate) cancel: &'static str,
    failed_title: fn(&str) -> String,
    failed_text: fn(i32) -> String,
    starved_text: &'static str,
    filling_title: &'static str,
    filling_text: fn(&str) -> String,
    more_failed: fn(usize) -> String,
    more_failed_text: &'static str,
    pub(crate) not_started: &'static str,
    pub(crate) no_window: &'static str,
    pub(crate) no_link: &'static str,
    pub(crate) no_file: &'static str,
    pub(crate) program_title: &'static str,
    pub(crate) program_text: fn(&str) -> String,
    pub(crate) use_program: &'static str,
    pub(crate) gone_title: &'static str,
    pub(crate) gone_text: fn(&str) -> String,
    pub(crate) copying_text: &'static str,
    pub(crate) quit_anyway: &'static str,
}

const ENGLISH: Words = Words {
    stopped: "The machine is stopped",
    starting: "The machine is starting",
    running: "The machine is running",
    paused: "The machine is paused until it is needed",
    stopping: "The machine is stopping",
    resetting: "The machine is being reset",
    fault: "The machine did not start",
    open: "Open Berth",
    terminal: "Quickstart terminal",
    start: "Start the machine",
    stop: "Stop the machine",
    containers: "Running containers",
    no_containers: "No container is running",
    more: |count| format!("{count} more…"),
    newer: |version| format!("Berth {version} is there…"),
    quit: "Quit Berth",
    quit_text: "Leave the machine running? Its containers can go on without the window and the tray.",
    leave: "Leave it running",
    stop_and_quit: "Stop it and quit",
    cancel: "Cancel",
    failed_title: |name| format!("{name} failed"),
    failed_text: |code| format!("It ended with exit code {code}."),
    starved_text: "It ran out of memory.",
    filling_title: "The machine's disk is nearly full",
    filling_text: |left| format!("{left} are left. Removing what is not used makes room."),
    more_failed: |count| format!("{count} more containers failed"),
    more_failed_text: "The list of containers shows which.",
    not_started: "Berth cannot start",
    no_window: "The window cannot be shown",
    no_link: "The link was not opened",
    no_file: "The file was not saved",
    program_title: "Use this program as the terminal?",
    program_text: |program| format!("“{program}” is started whenever the quickstart terminal is opened."),
    use_program: "Use it",
    gone_title: "The machine is gone",
    gone_text: |name| format!("The machine {name} was removed. The window shows the default machine now."),
    copying_text: "A machine is being copied or removed. It is left half done when Berth quits now.",
    quit_anyway: "Quit anyway",
};

const CHINESE: Words = Words {
    stopped: "虚拟机已停止",
    starting: "虚拟机正在启动",
    running: "虚拟机正在运行",
    paused: "虚拟机已暂停，需要时会继续运行",
    stopping: "虚拟机正在停止",
    resetting: "虚拟机正在重置",
    fault: "虚拟机未能启动",
    open: "打开 Berth",
    terminal: "快速入门终端",
    start: "启动虚拟机",
    stop: "停止虚拟机",
    containers: "运行中的容器",
    no_containers: "没有运行中的容器",
    more: |count| format!("还有 {count} 个…"),
    newer: |version| format!("Berth {version} 已发布…"),
    quit: "退出 Berth",
    quit_text: "让虚拟机继续运行吗？没有窗口和托盘图标，其中的容器也可以继续运行。",
    leave: "让它继续运行",
    stop_and_quit: "停止并退出",
    cancel: "取消",
    failed_title: |name| format!("{name} 运行失败"),
    failed_text: |code| format!("它以退出码 {code} 结束。"),
    starved_text: "它耗尽了内存。",
    filling_title: "虚拟机磁盘空间即将用尽",
    filling_text: |left| format!("还剩 {left}。删除不用的内容可以腾出空间。"),
    more_failed: |count| format!("另有 {count} 个容器运行失败"),
    more_failed_text: "容器列表中可以看到是哪些。",
    not_started: "Berth 无法启动",
    no_window: "无法显示窗口",
    no_link: "链接未能打开",
    no_file: "文件未能保存",
    program_title: "将此程序用作终端吗？",
    program_text: |program| format!("每次打开快速入门终端时都会启动“{program}”。"),
    use_program: "使用",
    gone_title: "虚拟机已不存在",
    gone_text: |name| format!("虚拟机 {name} 已被删除。窗口现在显示默认虚拟机。"),
    copying_text: "正在复制或删除虚拟机。现在退出 Berth，操作只会完成一半。",
    quit_anyway: "仍然退出",
};

pub(crate) fn of_this_system() -> &'static Words {
    of(sys_locale::get_locale().as_deref())
}

fn of(locale: Option<&str>) -> &'static Words {
    if locale.is_some_and(|locale| locale.starts_with("zh")) { &CHINESE } else { &ENGLISH }
}

impl Words {
    /// Title and text of a notice.
    pub(crate) fn failed(&self, failed: &Failed) -> (String, String) {
        let text = if failed.out_of_memory { self.starved_text.to_owned() } else { (self.failed_text)(failed.code) };
        ((self.failed_title)(&failed.name), text)
    }

    /// Title and text of a notice; `available` is in bytes.
    pub(crate) fn filling(&self, available: u64) -> (String, String) {
        (self.filling_title.to_owned(), (self.filling_text)(&size(available)))
    }

    /// Title and text of a notice for so many of which there were none.
    pub(crate) fn more_failed(&self, count: usize) -> (String, String) {
        ((self.more_failed)(count), self.more_failed_text.to_owned())
    }

    pub(crate) fn state(&self, phase: Phase, paused: bool) -> &'static str {
        match phase {
            Phase::Running if paused => self.paused,
            Phase::Stopped => self.stopped,
            Phase::Starting => self.starting,
            Phase::Running => self.running,
            Phase::Stopping => self.stopping,
            Phase::Resetting => self.resetting,
            Phase::Failed => self.fault,
        }
    }
}

/// As people say it: from one GiB on with a tenth of it.
fn size(bytes: u64) -> String {
    let tenths = bytes / 1024 * 10 / (1 << 20);
    if bytes < 1 << 30 { format!("{} MiB", bytes >> 20) } else { format!("{}.{} GiB", tenths / 10, tenths % 10) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chinese_systems_are_spoken_to_in_chinese() {
        let open = |locale| of(locale).open;
        assert_eq!(open(Some("zh-CN")), CHINESE.open);
        assert_eq!(open(Some("zh_Hans_CN.UTF-8")), CHINESE.open);
        assert_eq!(open(Some("de-DE")), ENGLISH.open);
        assert_eq!(open(None), ENGLISH.open);
    }

    #[test]
    fn notices_say_what_happened() {
        let failed = |code, out_of_memory| ENGLISH.failed(&Failed { name: "web".to_owned(), code, out_of_memory });
        assert_eq!(failed(3, false), ("web failed".to_owned(), "It ended with exit code 3.".to_owned()));
        assert_eq!(failed(137, true).1, "It ran out of memory.");
        assert_eq!(ENGLISH.filling(5 << 20).1, "5 MiB are left. Removing what is not used makes room.");
        assert_eq!(
            (size((1 << 30) - 1), size(1 << 30), size(6246 << 20)),
            ("1023 MiB".into(), "1.0 GiB".into(), "6.0 GiB".into())
        );
    }
}
