// The sign-in: asks for name and password, and leads to where somebody wanted to go.

const WORDS = {
  en: {
    head: "Sign in",
    name: "Name",
    password: "Password",
    submit: "Sign in",
    known: "You are signed in as",
    goOn: "Go on",
    leave: "Sign out",
    unreachable: "The server does not answer: try again.",
    wrong: "Name or password is wrong: try again.",
    often: "Too many attempts: wait a while, then try again.",
    by: "Sign in with {name}",
    refusals: {
      away: "The sign-in service does not answer: try again, or use name and password.",
      begin: "This sign-in did not begin here, took too long or could not be proved: try again.",
      denied: "The sign-in service did not let you in: try again.",
      unknown: "You have no account here that may sign in: ask an administrator for one.",
    },
  },
  zh: {
    head: "登录",
    name: "用户名",
    password: "密码",
    submit: "登录",
    known: "您已登录，用户：",
    goOn: "继续",
    leave: "退出登录",
    unreachable: "服务器没有响应，请重试。",
    wrong: "用户名或密码错误，请重试。",
    often: "尝试次数过多，请稍后再试。",
    by: "使用 {name} 登录",
    refusals: {
      away: "登录服务没有响应，请重试，或使用用户名和密码登录。",
      begin: "本次登录不是从这里开始、已超时或无法验证，请重试。",
      denied: "登录服务未允许您登录，请重试。",
      unknown: "您在此处没有可登录的账户，请联系管理员。",
    },
  },
};
const SESSION = "/api/v1/session";

const byId = (id) => document.getElementById(id);
const language = (localStorage.getItem("language") ?? navigator.language).startsWith("zh") ? "zh" : "en";
const words = WORDS[language];

document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
for (const node of document.querySelectorAll("[data-word]")) node.textContent = words[node.dataset.word];
document.title = `${words.head} · Groundswell`;

// Where to go afterwards: a page of this server, whatever the address says.
function wanted() {
  try {
    const target = new URL(new URLSearchParams(location.search).get("next") ?? "/", location.origin);
    const isHere = target.origin === location.origin && !target.pathname.startsWith("//"); // as /.//other.example
    if (isHere && target.pathname !== location.pathname) {
      return target.pathname + target.search + (target.hash || location.hash);
    }
  } catch {
    // no address at all
  }
  return "/";
}

async function ask(method, body) {
  const headers = { "x-groundswell": "page" };
  if (body !== undefined) headers["content-type"] = "application/json";
  const answer = await fetch(SESSION, { method, headers, body: body && JSON.stringify(body) });
  return { status: answer.status, told: await answer.json() };
}

function show(told) {
  const isKnown = told.how === "session";
  byId("form").hidden = isKnown;
  byId("known").hidden = !isKnown;
  byId("who").textContent = told.name;
  byId("go-on").href = wanted();
  byId("provider").hidden = !told.provider;
  byId("provider").textContent = words.by.replace("{name}", () => told.provider);
  byId("provider").href = `${SESSION}/provider?next=${encodeURIComponent(wanted())}`;
}

// What came of a sign-in elsewhere: on to where somebody wanted to go, or why not.
function comeBack(told) {
  const asked = new URLSearchParams(location.search);
  if (asked.has("back") && told.how === "session") location.replace(wanted());
  if (Object.hasOwn(words.refusals, asked.get("refusal") ?? "")) byId("refusal").textContent = words.refusals[asked.get("refusal")];
}

function refuse(text) {
  byId("refusal").textContent = text;
  byId("password").select();
}

byId("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { name, password } = event.target.elements;
  const button = event.target.querySelector("button");
  button.disabled = true;
  byId("refusal").textContent = "";
  try {
    const { status, told } = await ask("POST", { name: name.value, password: password.value });
    if (status === 200) location.assign(wanted());
    else refuse({ 401: words.wrong, 429: words.often }[status] ?? told.detail);
  } catch {
    refuse(words.unreachable);
  }
  button.disabled = false;
});

byId("leave").addEventListener("click", async () => {
  try {
    show((await ask("DELETE")).told);
  } catch {
    byId("known").append(words.unreachable);
  }
});

ask("GET").then(
  ({ told }) => {
    show(told);
    comeBack(told);
  },
  () => {},
);
