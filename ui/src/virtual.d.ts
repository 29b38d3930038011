declare module 'virtual:sentences/zh-CN' {
  /** The sentences of the daemon and the engine, and their translations (`dev/sentences.ts`). */
  const pairs: [english: string, translation: string][];
  export default pairs;
}
