// Sends one transfer with viem and prints its receipt as one line of JSON.
// Usage: node viem.mjs RPC_URL PRIVATE_KEY TO VALUE_WEI
import { createWalletClient, createPublicClient, defineChain, http } from 'viem';
import { privateKeyToAccount } from 'viem/accounts';

const [rpc, key, to, value] = process.argv.slice(2);
const probe = createPublicClient({ transport: http(rpc) });
const chain = defineChain({
  id: await probe.getChainId(),
  name: 'crowdfold',
  nativeCurrency: { name: 'ZKPoW', symbol: 'ZKPoW', decimals: 18 },
  rpcUrls: { default: { http: [rpc] } },
});
const account = privateKeyToAccount(key);
const wallet = createWalletClient({ account, chain, transport: http(rpc) });
const reader = createPublicClient({ chain, transport: http(rpc), pollingInterval: 250 });
const hash = await wallet.sendTransaction({ to, value: BigInt(value) });
const receipt = await reader.waitForTransactionReceipt({ hash, timeout: 60_000 });
const balance = await reader.getBalance({ address: to });
console.log(JSON.stringify({ hash, status: receipt.status, block: Number(receipt.blockNumber), balance: balance.toString() }));
