export function serveMock(root: string, port?: number): Promise<{ url: string; states: string[]; close: () => void }>;
