import type { Messages } from '../index.svelte';

export const projects: Messages['projects'] = {
  title: '项目',
  subtitle: (n) => `${n} 个 Compose 项目`,
  list: 'Compose 项目',
  loading: '正在向引擎查询容器…',

  column: {
    name: '名称',
    condition: '状态',
    services: '服务',
    containers: '容器',
    files: 'Compose 文件',
  },
  condition: {
    running: '运行中',
    partly: '部分运行',
    stopped: '已停止',
    unwell: '需要关注',
  },
  counted: (running, all) => `共 ${all} 个，${running} 个运行中`,
  noFiles: '未知',

  search: '搜索项目',
  searchHint: '名称、服务、文件',
  nothing: '没有匹配的项目',
  nothingText: '没有符合搜索条件的项目。',
  showAll: '全部显示',

  verb: { start: '全部启动', stop: '全部停止', restart: '全部重启', remove: '全部删除' },
  of: {
    start: (name) => `启动 ${name} 的全部容器`,
    stop: (name) => `停止 ${name} 的全部容器`,
    restart: (name) => `重启 ${name} 的全部容器`,
    remove: (name) => `删除 ${name} 的全部容器`,
  },
  menuOf: (name) => `${name} 的更多操作`,
  open: '打开',

  fromFile: {
    action: '从文件启动',
    title: '从文件启动项目',
    text: 'Compose 在您的电脑上运行，文件及其提到的文件夹都在那里。请在终端输入以下命令，项目会自动出现在这里。',
    file: 'Compose 文件',
    fileHint: '相对于终端所在文件夹的路径。',
    command: '命令',
    folderNote: 'Compose 会自动在终端所在文件夹中查找 compose.yaml：此时只需“docker compose up -d”。',
  },
  empty: {
    title: '还没有 Compose 项目',
    text: '项目是由一个 compose 文件描述的一组容器。在终端用“docker compose up”启动的项目会自动出现在这里。',
  },

  back: '项目',
  tabs: '项目的各部分',
  tab: { services: '服务', logs: '日志', file: '文件' },
  services: (name) => `${name} 的服务`,
  service: '服务',
  gone: '没有属于该项目的容器',
  goneText: '它们可能已被这里或其他程序删除。',

  logs: {
    label: (name) => `${name} 全部服务的日志`,
    services: '显示的服务',
    all: '全部',
    hint: '单击显示或隐藏；双击仅显示它',
    reading: '正在读取日志…',
    refused: (name) => `无法读取 ${name} 的日志`,
    none: '没有显示任何服务，请在上方选择。',
    ended: '所有容器均已结束',
  },

  files: {
    files: 'Compose 文件',
    folder: '工作文件夹',
    unknown: '这些容器没有说明由哪个文件创建。',
    text: '文件位于运行 compose 的电脑上。要使项目与文件的当前内容一致，请输入：',
    up: '更新到最新',
    down: '停止并移除，包括其网络',
    downNote: '命名卷会保留。加上“--volumes”则连同其中的全部内容一并删除。',
    copyPath: (path) => `复制 ${path}`,
  },
};
