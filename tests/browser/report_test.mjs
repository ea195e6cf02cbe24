// The HTML report as a reader meets it. node report_test.mjs MODULES CHROMIUM FOLDER
import assert from 'node:assert/strict';
import fs from 'node:fs';
import {createRequire} from 'node:module';
import path from 'node:path';

const [, , modules, chromiumPath, folder] = process.argv;
const require = createRequire(path.resolve(modules, 'package.json'));
const {chromium} = require('playwright-core');
const axe = fs.readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const browser = await chromium.launch({executablePath: chromiumPath, args: ['--no-sandbox']});
let failures = 0;

// A page of the audit `name`, all of its charts drawn, watched for errors and requests.
async function open(name, options) {
  const page = await browser.newPage({viewport: {width: 1280, height: 900}, ...options});
  page.setDefaultTimeout(120000);  // a busy machine is no failure
  const problems = [];
  page.on('console', (message) => message.type() === 'error' && problems.push('console: ' + message.text()));
  page.on('pageerror', (error) => problems.push('error: ' + error.message));
  page.on('request', (request) => {
    if (!/^(file|data|blob):/.test(request.url())) problems.push('request: ' + request.url());
  });
  await page.goto('file://' + path.resolve(folder, name, 'report.html'));
  await page.waitForFunction(
    () => document.documentElement.dataset.drawn === document.documentElement.dataset.charts);
  return {page, problems};
}

async function test(name, audit, options, check) {
  const {page, problems} = await open(audit, options);
  try {
    await check(page);
    assert.deepEqual(problems, [], 'the page complained');
    console.log('ok   ' + name);
  } catch (error) {
    ++failures;
    console.log('FAIL ' + name + '\n' + error.message);
  }
  await page.close();
}

const auditOf = (name) => JSON.parse(fs.readFileSync(path.join(folder, name, 'audit.json'), 'utf8'));

async function seriousProblems(page) {
  await page.evaluate(axe);
  const {violations} = await page.evaluate(() => window.axe.run());
  return violations
    .filter((violation) => ['serious', 'critical'].includes(violation.impact))
    .map((violation) => `${violation.id}: ${violation.nodes.slice(0, 3).map((node) => node.target + ' ' + node.failureSummary).join('; ')}`);
}

await test('every chart has marks', 'small', {}, async (page) => {
  const counts = await page.$$eval('.chart', (charts) => charts.map((chart) => [
    chart.dataset.chart + ' ' + (chart.dataset.figure || ''),
    chart.querySelectorAll('.mark-rect path, .mark-symbol path, .mark-line path').length,
  ]));
  assert.ok(counts.length >= 18, `${counts.length} charts`);
  for (const [name, marks] of counts) assert.ok(marks > 0, name + ' is empty');
  assert.equal(await page.$$eval('.failed', (all) => all.length), 0);
});

await test('numbers equal audit.json', 'small', {}, async (page) => {
  const audit = auditOf('small');
  const rows = await page.$$eval('#committees tbody tr', (all) => all.map((row) => ({
    layer: Number(row.cells[0].textContent),
    committee: row.cells[2].textContent,
    numbers: [...row.querySelectorAll('td.number')].map((cell) => cell.dataset.value ?? null),
    shown: row.querySelector('td.number').textContent,
  })));
  assert.equal(rows.length, audit.layers.length);
  rows.forEach((row, i) => {
    const {layer, committee, figures} = audit.layers[i];
    assert.equal(row.layer, layer);
    assert.equal(row.committee.replaceAll('*', ''), committee.length ? committee.join(' ') : '–');
    const expected = [figures.coverage_topk.value, figures.coverage_topk.floor, figures.coverage_full.value, figures.ratio_topk.value];
    assert.deepEqual(row.numbers.map((text) => (text === null ? null : Number(text))), expected.map((n) => n ?? null));
    assert.equal(row.shown, (figures.coverage_topk.value * 100).toFixed(1) + '%');
  });
});

await test('data are shown, not obeyed', 'small', {}, async (page) => {
  assert.equal(await page.evaluate(() => window.broken), undefined);
  assert.equal(await page.$$eval('img, main b:not(dd b)', (all) => all.length), 0);
  assert.match(await page.title(), /tiny <\/script><script>/);
  assert.match(await page.textContent('#warnings'), /<script>window\.broken = 3<\/script> & more/);
  assert.match(await page.textContent('[data-chart=contributions]'), /<img src=x/);
});

await test('hover tells of an expert', 'small', {}, async (page) => {
  const audit = auditOf('small');
  const mark = page.locator('[data-chart=committee_map] .mark-rect path').first();
  await mark.scrollIntoViewIfNeeded();
  await mark.hover({force: true});
  await page.waitForSelector('#vg-tooltip-element.visible');
  const tip = await page.textContent('#vg-tooltip-element');
  assert.match(tip, /expert:?\s*0/);
  assert.match(tip, new RegExp('contribution:?\\s*' + Number(audit.layers[0].experts.contribution.value[0].toPrecision(4))));
});

await test('the slider moves all charts of a layer', 'small', {}, async (page) => {
  const colours = () => page.$$eval('[data-chart=contributions] .mark-rect path', (all) => all.map((p) => p.getAttribute('fill')).join());
  const before = await colours();
  await page.focus('#slider-contributions');
  await page.keyboard.press('ArrowRight');
  await page.waitForFunction(() => document.documentElement.dataset.layer === '2');
  assert.notEqual(await colours(), before);
  for (const slider of await page.$$('input.layer')) {
    assert.equal(await slider.getAttribute('aria-valuetext'), 'layer 2');
    assert.equal(await slider.inputValue(), '1');
  }
  await page.focus('#slider-jaccard');
  await page.keyboard.press('Home');
  await page.waitForFunction(() => document.documentElement.dataset.layer === '1');
  assert.equal(await colours(), before);
});

// What they hold is compared byte for byte by the unit tests of the page (HtmlReport).
await test('every file can be downloaded', 'small', {}, async (page) => {
  const files = fs.readdirSync(path.join(folder, 'small')).filter((name) => name.endsWith('.csv')).sort();
  assert.ok(files.length >= 10);
  await page.locator('#downloads').scrollIntoViewIfNeeded();
  await page.waitForFunction(() => [...document.querySelectorAll('#downloads a')].every((link) => link.href));
  const links = await page.$$eval('#downloads a', (all) => all.map((link) => [link.download, link.href]));
  assert.deepEqual(links.map(([name]) => name).sort(), files);
  for (const [name, href] of links) assert.match(href, /^blob:/, name);
});

await test('what other commands found is drawn', 'findings', {}, async (page) => {
  const marks = await page.$$eval('#mask .chart, #sweep .chart, #roles .chart, #balance .chart', (charts) => charts.map((chart) => [
    `${chart.dataset.chart} ${chart.dataset.figure || ''}`, chart.querySelectorAll('.mark-rect path, .mark-symbol path, .mark-line path, .mark-rule line').length,
  ]));
  assert.equal(marks.length, 4 + 3 + 2 + 4);
  for (const [name, count] of marks) assert.ok(count > 0, name + ' is empty');
  assert.equal(await page.$$eval('[data-chart=outcomes] .mark-rect path', (all) => all.length), 10 * 3);
  assert.match(await page.textContent('[data-chart=roles]'), /<b>,/);
  assert.deepEqual(await seriousProblems(page), []);
});

await test('what was not computed is absent', 'least', {}, async (page) => {
  for (const id of ['jaccard', 'shuffle']) assert.equal(await page.$('#' + id), null, id);
  assert.equal(await page.$('input.layer'), null);
  assert.equal(await page.$('[data-figure=r2_nested]'), null);
  assert.doesNotMatch(await page.textContent('main'), /NaN|undefined|null|stable/);
});

await test('compared audits are drawn', 'compared', {}, async (page) => {
  const marks = await page.$$eval('.chart', (charts) => charts.map((chart) => [
    `${chart.dataset.chart} ${chart.dataset.figure || ''}`, chart.querySelectorAll('.mark-rect path, .mark-symbol path, .mark-line path, .mark-rule line').length,
  ]));
  assert.ok(marks.length > 10, `${marks.length} charts`);
  for (const [name, count] of marks) assert.ok(count > 0, name + ' is empty');
  assert.match(await page.textContent('#making'), /<b>other<\/b>/);
  const files = fs.readdirSync(path.join(folder, 'compared')).filter((name) => name.endsWith('.csv')).sort();
  await page.locator('#downloads').scrollIntoViewIfNeeded();
  await page.waitForFunction(() => [...document.querySelectorAll('#downloads a')].every((link) => link.href));
  assert.deepEqual((await page.$$eval('#downloads a', (all) => all.map((link) => link.download))).sort(), files);
});

for (const colorScheme of ['light', 'dark']) {
  await test('axe finds nothing serious on the comparison, ' + colorScheme, 'compared', {colorScheme}, async (page) => {
    assert.deepEqual(await seriousProblems(page), []);
  });
  await test('axe finds nothing serious, ' + colorScheme, 'small', {colorScheme}, async (page) => {
    assert.deepEqual(await seriousProblems(page), []);
  });
}

for (const name of ['small', 'compared', 'findings']) await test('a phone holds the page, ' + name, name, {viewport: {width: 360, height: 740}}, async (page) => {
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth), 'it scrolls sideways');
  assert.deepEqual(await seriousProblems(page), []);
});

await test('paper gets text and charts without controls', 'small', {colorScheme: 'dark'}, async (page) => {
  await page.emulateMedia({media: 'print'});
  assert.equal(await page.isVisible('nav'), false);
  assert.equal(await page.isVisible('input.layer'), false);
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), 'rgb(255, 255, 255)');
  assert.ok((await page.pdf()).length > 10000);
});

await test('48 layers, 128 experts, 57 domains', 'large', {}, async (page) => {
  const bytes = fs.statSync(path.join(folder, 'large', 'report.html')).size;
  const opened = await page.evaluate(() => performance.getEntriesByType('navigation')[0].loadEventEnd);
  console.log(`     ${(bytes / 1e6).toFixed(1)} MB, open after ${Math.round(opened)} ms`);
  assert.ok(bytes < 10e6, `${bytes} bytes`);
  assert.equal(await page.$$eval('[data-chart=committee_map] .mark-rect path', (all) => all.length >= 48 * 128), true);
});

await browser.close();
if (failures > 0) {
  console.log(`${failures} failed`);
  process.exitCode = 1;
}
