"""The page: one template, whose names are keys of the state and whose texts are shown as text, never as markup."""

from __future__ import annotations

from PRRTUptakeLib.review.panels import LOBE_COLOURS, PIXELS, VIEWS
from PRRTUptakeLib.review.slices import COLOUR_MAPS

STYLE = """
*{box-sizing:border-box}html,body{margin:0;height:100%;background:#16181c;color:#e8e8e8;font:14px/1.35 sans-serif}
.rv{display:grid;grid-template:auto 1fr/1fr 430px;height:100vh;outline:none}
.rv header{grid-column:1/3;display:flex;gap:14px;align-items:center;padding:6px 12px;background:#23262c}
.rv header b{font-size:16px}.rv .grow{flex:1}
.rv main{overflow:auto;scrollbar-gutter:stable;padding:8px}
.rv aside{overflow:auto;scrollbar-gutter:stable;padding:8px 12px;background:#1c1f24}
.rv .panel{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:6px;margin-bottom:8px}
.rv .panel h3{grid-column:1/4;margin:0;font-size:14px;display:flex;gap:10px;align-items:center}
.rv .slice{position:relative;aspect-ratio:1;background:#000;touch-action:none;user-select:none;cursor:crosshair}
.rv .slice img,.rv .slice svg{position:absolute;inset:0;width:100%;height:100%}
.rv .slice img{pointer-events:none}
.rv .slice span{position:absolute;left:4px;top:2px;color:#9fd;font-size:12px;pointer-events:none}
.rv .slice span.dark{color:#046;text-shadow:0 0 3px #fff}
.rv .slice svg circle{cursor:grab}
.rv table{border-collapse:collapse;width:100%;font-size:13px}.rv td,.rv th{padding:2px 5px;text-align:left}
.rv td.n,.rv th.n{text-align:right}.rv tr.row{cursor:pointer}.rv tr.row:hover,.rv tr.chosen{background:#34404d}
.rv h2{font-size:14px;margin:12px 0 4px;border-bottom:1px solid #444}
.rv input,.rv select,.rv textarea,.rv button{background:#2b2f36;color:#eee;border:1px solid #555;padding:3px 6px;
font:inherit;border-radius:3px}.rv textarea,.rv input.wide{width:100%}.rv input.mm{width:58px}
.rv button{cursor:pointer}.rv button:disabled{opacity:.45;cursor:default}.rv .bar{width:16px;height:150px}
.rv .problem{background:#6b2a2a;padding:4px 8px;border-radius:3px}.rv .note{color:#aab}.rv .warn{color:#ffcf70}
.rv .tools{display:flex;flex-wrap:wrap;gap:8px;align-items:center;margin:4px 0}
.rv .research{font-size:12px;color:#aab}
"""


def template() -> str:
    """The whole page as a Vue template."""
    panels = "".join(_panel(n) for n in (0, 1))
    return f"""
<div class="rv" tabindex="0" autofocus data-testid="page" @keydown="{_KEY}">
{_header()}
<main>{panels}
<div class="panel" v-if="has_more"><div class="slice" data-testid="mip"
 @pointerdown="trigger('projection', [{_PLACE}])"><img :src="img_mip" alt=""/><span class="dark">{{{{ mip_title }}}}</span></div>
<div class="slice" data-testid="three-d" @pointermove="$event.buttons && trigger('turn', [$event.movementX,
 $event.movementY])"><img v-if="img_3d" :src="img_3d" alt=""/><span>lobes and lesions
 <button v-if="!img_3d" style="pointer-events:auto" @click="trigger('three_d')">show</button></span></div>
<div class="slice" v-if="curve" style="cursor:default">{_CURVE}</div></div></main>
<aside>{_problem()}{_worklist()}{_look()}{_numbers()}{_decisions()}</aside></div>"""


_PLACE = (
    "($event.clientX-$event.currentTarget.getBoundingClientRect().left)/$event.currentTarget.clientWidth,"
    "($event.clientY-$event.currentTarget.getBoundingClientRect().top)/$event.currentTarget.clientHeight"
)
_KEY = (
    "!['INPUT','TEXTAREA','SELECT'].includes($event.target.tagName) && "
    "['ArrowUp','ArrowDown','n','p','o','r'].includes($event.key) && "
    "($event.preventDefault(), trigger('key', [$event.key]))"
)
_SET_LOOK = "trigger('look', [opacity, top_share, colours, low, high])"
_CURVE = (
    '<svg viewBox="0 0 320 320" data-testid="curve"><path d="M20 30V300H310" fill="none" stroke="#667"/>'
    '<polyline :points="curve.line" fill="none" stroke="#9fd"/><circle v-for="(one, n) in curve.dots" :key="n" :cx="one.x" '
    ':cy="one.y" r="3.5" fill="#9fd"><title>{{ one.text }}</title></circle><text v-for="(one, n) in curve.hours" :key="n" '
    ':x="one.x" y="314" fill="#aab" font-size="11" text-anchor="middle">{{ one.text }}</text>'
    '<text x="310" y="34" fill="#aab" font-size="11" text-anchor="end">{{ curve.highest }}</text>'
    '<text x="310" y="296" fill="#aab" font-size="11" text-anchor="end">h</text>'
    '<text x="8" y="18" fill="#9fd" font-size="13">{{ curve_title }}</text></svg>'
)


def _header() -> str:
    return """<header><b data-testid="title">{{ title }}</b><span data-testid="progress">{{ progress }}</span>
<span class="note" data-testid="status">{{ status }}</span><span class="grow"></span>
<span class="research">For research use only</span></header>"""


def _panel(n: int) -> str:
    slices = "".join(_slice(n, view) for view in VIEWS)
    return f"""<div class="panel" v-if="shown_{n}" data-testid="panel-{n}"><h3>{{{{ label_{n} }}}}
<select v-if="visits.length > 1" :value="visit_{n}" @change="trigger('visit', [{n}, $event.target.value])">
<option v-for="one in visits" :key="one.key" :value="one.key">{{{{ one.label }}}}</option></select>
<span class="note" data-testid="values-{n}">{{{{ values_{n} }}}}</span></h3>{slices}</div>"""


def _slice(n: int, view: str) -> str:
    svg, name = f"svg_{n}_{view}", f"{n}-{view}"
    call = f"trigger('pointer', [KIND, {n}, '{view}', {_PLACE}])"
    down, move, up = (call.replace("KIND", f"'{kind}'") for kind in ("down", "move", "up"))
    handles = "".join(
        f'<circle data-testid="{handle}-{name}" :cx="{svg}.plane.{handle}[0]" :cy="{svg}.plane.{handle}[1]" r="{radius}" '
        f'fill="{fill}" stroke="#000"/>'
        for handle, radius, fill in (("middle", 7, "#ff5df0"), ("turn_first", 5, "#fff"), ("turn_last", 5, "#fff"))
    )
    return f"""<div class="slice" data-testid="slice-{name}"
 @pointerdown="$event.currentTarget.setPointerCapture($event.pointerId); {down}"
 @pointermove="$event.buttons && {move}" @pointerup="{up}"
 @wheel.prevent="trigger('wheel', [{n}, '{view}', $event.deltaY, $event.ctrlKey])">
<img v-if="img_{n}_{view}" :src="img_{n}_{view}" alt="" data-testid="image-{name}"/>
<svg v-if="{svg}" viewBox="0 0 {PIXELS} {PIXELS}">
<template v-if="{svg}.plane"><clipPath id="clip-{name}"><polygon :points="{svg}.plane.right"/></clipPath>
<path data-testid="left-{name}" :d="{svg}.liver" stroke="{LOBE_COLOURS["left"]}" stroke-width="1.3" fill="none"/>
<g clip-path="url(#clip-{name})"><path :d="{svg}.liver" stroke="{LOBE_COLOURS["right"]}" stroke-width="2" fill="none"/></g></template>
<path v-else :d="{svg}.liver" stroke="#7fd0d0" stroke-width="1.2" fill="none"/>
<path v-for="one in {svg}.outlines" :key="one.name" :data-segment="one.name" :d="one.d" :stroke="one.colour"
 :stroke-width="one.width" fill="none"/>
<text v-for="one in {svg}.labels" :key="one.text" :x="one.x" :y="one.y" :fill="one.colour" font-size="11"
 font-weight="bold" data-testid="label">{{{{ one.text }}}}</text>
<g stroke="#9fd" stroke-width="0.6" opacity="0.8"><line :x1="{svg}.cross[0]" y1="0" :x2="{svg}.cross[0]" y2="{PIXELS}"/>
<line x1="0" :y1="{svg}.cross[1]" x2="{PIXELS}" :y2="{svg}.cross[1]"/></g>
<template v-if="{svg}.plane"><line data-testid="plane-{name}" :x1="{svg}.plane.first[0]" :y1="{svg}.plane.first[1]"
 :x2="{svg}.plane.last[0]" :y2="{svg}.plane.last[1]" stroke="#ff5df0" stroke-width="1.4"/>{handles}</template></svg>
<span>{view}</span></div>"""


def _problem() -> str:
    return """<p class="problem" v-if="problem" data-testid="problem">{{ problem }}</p>"""


def _worklist() -> str:
    return """<template v-if="items.length > 1 || reader"><h2>{{ reader ? 'Worklist of ' + reader : 'Cases' }}</h2>
<div class="tools"><select data-testid="cases" :value="case_place" @change="trigger('open', [Number($event.target.value)])">
<option v-for="one in items" :key="one.place" :value="one.place">{{ one.label }} ({{ one.status }})</option></select>
<button data-testid="next" @click="trigger('next')">next open</button></div></template>
<template v-if="compared.length"><h2>Two readings compared, differences first</h2><table data-testid="compared">
<tr class="row" v-for="one in compared" :key="one.place" @click="trigger('open', [one.place])"><td>{{ one.label }}</td>
<td>{{ one.words }}</td></tr></table>
<table data-testid="differences"><tr><th></th><th v-for="name in readers" :key="name">{{ name }}</th></tr>
<tr v-for="one in differences" :key="one.what"><td>{{ one.what }}</td><td>{{ one.first }}</td><td>{{ one.second }}</td></tr>
</table><div class="tools"><input class="wide" data-testid="why" placeholder="reason of the decision" v-model="why"/>
<button v-for="name in readers" :key="name" :data-testid="'take-' + name" :disabled="!can_decide"
 @click="trigger('decide', [name, why])">take {{ name }}</button>
<button data-testid="take-own" :disabled="!can_decide" @click="trigger('decide', ['', why])">take what is shown</button></div>
</template>"""


def _look() -> str:
    maps = "".join(f'<option value="{name}">{name}</option>' for name in COLOUR_MAPS)
    return f"""<h2>Images</h2><div class="tools"><div class="bar" :style="{{background: bar}}" data-testid="bar"></div>
<div><div data-testid="bar-top">{{{{ bar_top }}}}</div><div class="note">{{{{ bar_unit }}}}</div><div>0</div></div>
<div><div class="tools">opacity <input type="range" min="0" max="1" step="0.05" v-model.number="opacity"
 data-testid="opacity" @input="{_SET_LOOK}"/></div>
<div class="tools">top <input type="range" min="0.02" max="1" step="0.02" v-model.number="top_share" @input="{_SET_LOOK}"/></div>
<div class="tools">colours <select v-model="colours" data-testid="colours" @change="{_SET_LOOK}">{maps}</select></div>
<div class="tools">window <input class="mm" type="number" v-model.number="low" @change="{_SET_LOOK}"/> to
 <input class="mm" type="number" v-model.number="high" @change="{_SET_LOOK}"/></div>
<div class="tools" v-if="overlays.length > 1">shown <select data-testid="overlay" :value="overlay"
 @change="trigger('overlay', [$event.target.value])">
<option v-for="one in overlays" :key="one" :value="one">{{{{ one }}}}</option></select></div></div></div>
<p class="note">Keys: arrows for slices, n and p for lesions, o hides the overlay, r starts again; wheel for slices, with Ctrl
 to zoom.</p>"""


def _numbers() -> str:
    return """<h2 data-testid="numbers-of">{{ live ? 'While the plane moves' : 'Numbers' }}{{ numbers_of ? ': ' + numbers_of : '' }}</h2>
<table data-testid="summary"><tr v-for="one in summary" :key="one.name"><td>{{ one.name }}</td>
<td class="n" :data-value="one.name">{{ one.value }}</td><td class="note">{{ one.note }}</td></tr></table>
<table data-testid="lesions"><tr><th>lesion</th><th>lobe</th><th></th><th class="n">mm</th><th class="n">T</th>
<th class="n">{{ ratio_word }}</th></tr>
<tr v-for="one in lesions" :key="one.id" :class="['row', {chosen: one.id === chosen}]" :title="one.reason"
 :data-lesion="one.id" @click="trigger('lesion', [one.id])"><td>{{ one.id }}</td><td>{{ one.lobe }}</td>
<td>{{ one.target }}</td><td class="n">{{ one.diameter }}</td><td class="n">{{ one.tumour }}</td><td class="n">{{ one.tn }}</td></tr>
</table><details><summary>Organs, lobes and references</summary><table data-testid="regions"><tr><th></th>
<th class="n">mL</th><th class="n">mean</th><th class="n">max</th></tr>
<tr class="row" v-for="one in regions" :key="one.name" @click="trigger('lesion', [one.name])"><td>{{ one.name }}</td>
<td class="n">{{ one.volume }}</td><td class="n">{{ one.mean }}</td><td class="n">{{ one.maximum }}</td></tr></table></details>
<table v-if="doses.length" data-testid="doses"><tr v-for="one in doses" :key="one.name"><td>{{ one.name }}</td>
<td class="n">{{ one.value }}</td></tr></table>
<details v-if="warnings.length"><summary class="warn" data-testid="warnings">{{ warnings.length }} {{ warnings.length === 1 ? 'warning' : 'warnings' }}</summary>
<p v-for="(one, n) in warnings" :key="n">{{ one }}</p></details>"""


def _decisions() -> str:
    options = '<option v-for="one in lesions" :key="one.id" :value="one.id">{{ one.id }}</option>'
    return f"""<h2 data-testid="decisions-on">Decisions<template v-if="visits.length > 1 && focus_label"> on {{{{ focus_label }}}}</template></h2><p class="note" v-for="(one, n) in decided" :key="n" data-testid="decided">{{{{ one }}}}</p>
<div class="tools">replace <select data-testid="dropped" v-model="dropped">{options}</select> by
<select data-testid="taken" v-model="taken">{options}</select>
<input data-testid="target-reason" placeholder="reason" v-model="target_reason"/>
<button data-testid="replace" @click="trigger('replace', [dropped, taken, target_reason])">replace</button></div>
<div class="tools">shift <select v-model="shifted">{options}</select>
<input class="mm" type="number" v-model.number="shift_x" title="to the patient's right, mm"/>
<input class="mm" type="number" v-model.number="shift_y" title="to the front, mm"/>
<input class="mm" type="number" v-model.number="shift_z" title="to the head, mm"/>
<input placeholder="reason" v-model="shift_reason"/>
<button data-testid="shift" @click="trigger('shift', [shifted, shift_x, shift_y, shift_z, shift_reason])">shift</button></div>
<textarea rows="2" data-testid="comment" placeholder="comment" v-model="comment"
 @change="trigger('comment', [comment])"></textarea>
<div class="tools"><button data-testid="undo" @click="trigger('undo')">undo all</button>
<button data-testid="confirm" @click="trigger('confirm')">{{{{ confirmed ? 'targets confirmed' : 'confirm targets' }}}}</button>
<button data-testid="finish" v-if="reader && !readers.length" :disabled="!can_finish" @click="trigger('finish')">finish
 reading</button></div>
<div class="tools" v-if="case_status === 'complete'"><input data-testid="withdraw-reason" placeholder="reason"
 v-model="withdraw_reason"/><button data-testid="withdraw" @click="trigger('withdraw', [withdraw_reason])">withdraw</button></div>
<div class="tools" v-if="can_open_slicer"><button data-testid="slicer" @click="trigger('slicer')">open in Slicer</button></div>"""
