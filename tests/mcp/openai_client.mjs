// What a user of the npm `openai` client does, against a troupe: node openai_client.mjs BASE_URL KEY
// Prints one JSON object a line, `{"what": .., ..}`.
import OpenAI from 'openai';

const [baseURL, apiKey] = process.argv.slice(2);
const client = new OpenAI({ baseURL, apiKey, maxRetries: 0 });
const say = (what, more) => console.log(JSON.stringify({ what, ...more }));
const user = (content) => ({ role: 'user', content });
const weather = {
  type: 'function',
  function: {
    name: 'weather',
    description: 'of a city',
    parameters: { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] },
  },
};

const models = await client.models.list();
say('models', { ids: models.data.map((m) => m.id) });
say('model', { id: (await client.models.retrieve('desk')).id });

const whole = await client.chat.completions.create({ model: 'desk', messages: [user('hello')] });
say('whole', { text: whole.choices[0].message.content, reason: whole.choices[0].finish_reason,
               tokens: whole.usage.total_tokens });

let text = '';
let chunks = 0;
let usage = null;
let reason = null;
const stream = await client.chat.completions.create({
  model: 'desk', messages: [user('where is o-1?')], stream: true,
  stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  ++chunks;
  text += chunk.choices[0]?.delta?.content ?? '';
  reason = chunk.choices[0]?.finish_reason ?? reason;
  usage = chunk.usage ?? usage;
}
say('stream', { text, chunks, reason, tokens: usage?.total_tokens });

// A tool of ours: the model asks, we answer, it goes on. Whole, then streamed.
const asked = [user('what about the weather?')];
const wants = await client.chat.completions.create({ model: 'desk', messages: asked, tools: [weather] });
const call = wants.choices[0].message.tool_calls[0];
say('tool', { reason: wants.choices[0].finish_reason, name: call.function.name,
              city: JSON.parse(call.function.arguments).city });
const answered = await client.chat.completions.create({
  model: 'desk', tools: [weather],
  messages: [...asked, wants.choices[0].message,
             { role: 'tool', tool_call_id: call.id, content: '14 degrees' }],
});
say('tool result', { text: answered.choices[0].message.content });

const runner = client.chat.completions.stream({ model: 'desk', messages: asked, tools: [weather] });
const final = await runner.finalChatCompletion();
say('streamed tool', { name: final.choices[0].message.tool_calls[0].function.name,
                       reason: final.choices[0].finish_reason });

// An agent that keeps conversations: whoever names none keeps it, as with any model.
const ask = async (body, options) =>
  (await client.chat.completions.create({ model: 'kept', ...body }, options)).choices[0].message;
const streamed = async (body) =>
  (await client.chat.completions.stream({ model: 'kept', ...body }).finalChatCompletion())
    .choices[0].message.content;
const again = user('what did I say?');
say('stateless', {
  whole: (await ask({ user: 'u-1', messages: [user('I am Ada'), { role: 'assistant', content: 'Hi' }, again] })).content,
  alone: (await ask({ user: 'u-1', messages: [again] })).content,
  streamed: await streamed({ messages: [user('where is o-1?')] }),
  city: JSON.parse((await ask({ messages: asked, tools: [weather], tool_choice: 'required' }))
    .tool_calls[0].function.arguments).city,
});
await ask({ conversation: 'c-1', messages: [user('I am Ada')] });
say('kept', {
  whole: (await ask({ metadata: { conversation: 'c-1' }, messages: [again] })).content,
  streamed: await streamed({ conversation: 'c-1', messages: [again] }),
  header: (await ask({ messages: [again] }, { headers: { 'X-Conversation-Id': 'c-1' } })).content,
  other: (await ask({ conversation: 'c-2', messages: [again] })).content,
});
try {
  await ask({ messages: [{ role: 'robot', content: 'hello' }] });
} catch (e) {
  say('wrong', { status: e.status, param: e.param });
}

try {
  await client.chat.completions.create({ model: 'nobody', messages: [user('hello')] });
} catch (e) {
  say('unknown', { status: e.status, code: e.code, type: e.type,
                   not_found: e instanceof OpenAI.NotFoundError });
}
try {
  await new OpenAI({ baseURL, apiKey: 'wrong', maxRetries: 0 }).models.list();
} catch (e) {
  say('refused', { status: e.status, known: e instanceof OpenAI.AuthenticationError });
}

// Goes away in the middle: the iteration ends, and so does the invocation.
const cut = await client.chat.completions.create({
  model: 'desk', messages: [user('a long story')], stream: true });
for await (const chunk of cut)
  if (chunk.choices[0]?.delta?.content) {
    cut.controller.abort();
    break;
  }
say('done', {});
