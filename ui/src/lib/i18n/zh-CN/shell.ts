import type { Messages } from '../index.svelte';

export const shell: Messages['shell'] = {
  navigation: '页面',
  containers: '容器',
  images: '镜像',
  volumes: '数据卷',
  networks: '网络',
  projects: '项目',
  settings: '设置',
  retry: '重试',
  toContainers: '前往容器页面',
  noSuchPage: '没有这个页面',
  noSuchPageText: '该地址可能来自 Berth 的其他版本。',
  pageFailed: '此页面出错',
  pageFailedText: '您的容器没有受到任何影响：只是绘制此页面的程序停止了。',
  pageMissing: '无法加载此页面',
  pageMissingText: '页面文件没有送达。如果刚刚更新过，重新加载窗口即可。',
};
