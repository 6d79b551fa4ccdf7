// Behaviour of the ECP5 primitives that synthesis uses, for simulation of a netlist.
// A parameter or mode that is not modelled stops the simulation.

// As multiplexers, through which an undefined input goes only where it decides.
module LUT4(input A, B, C, D, output Z);
    parameter [15:0] INIT = 0;
    wire [7:0] d = D ? INIT[15:8] : INIT[7:0];
    wire [3:0] c = C ? d[7:4] : d[3:0];
    wire [1:0] b = B ? c[3:2] : c[1:0];
    assign Z = A ? b[1] : b[0];
endmodule

module PFUMX(input ALUT, BLUT, C0, output Z);
    assign Z = C0 ? ALUT : BLUT;
endmodule

module L6MUX21(input D0, D1, SD, output Z);
    assign Z = SD ? D1 : D0;
endmodule

// Two bits of a carry chain: a lookup table gives the sum without carry (propagate), its lower
// quarter of A and B what is generated.
module CCU2C(input CIN, A0, B0, C0, D0, A1, B1, C1, D1, output S0, S1, COUT);
    parameter [15:0] INIT0 = 0;
    parameter [15:0] INIT1 = 0;
    parameter INJECT1_0 = "YES";
    parameter INJECT1_1 = "YES";
    wire p0, p1, g0, g1;
    LUT4 #(.INIT(INIT0)) propagate0(.A(A0), .B(B0), .C(C0), .D(D0), .Z(p0));
    LUT4 #(.INIT(INIT1)) propagate1(.A(A1), .B(B1), .C(C1), .D(D1), .Z(p1));
    LUT4 #(.INIT(INIT0)) generate0(.A(A0), .B(B0), .C(1'b0), .D(1'b0), .Z(g0));
    LUT4 #(.INIT(INIT1)) generate1(.A(A1), .B(B1), .C(1'b0), .D(1'b0), .Z(g1));
    wire carry = p0 ? CIN : (INJECT1_0 == "NO" && g0);
    assign COUT = p1 ? carry : (INJECT1_1 == "NO" && g1);
    assign S0 = p0 ^ (INJECT1_0 == "NO" && CIN);
    assign S1 = p1 ^ (INJECT1_1 == "NO" && carry);
endmodule

module TRELLIS_FF(input CLK, LSR, CE, DI, output reg Q);
    parameter GSR = "DISABLED";
    parameter [31:0] CEMUX = "1";
    parameter CLKMUX = "CLK";
    parameter LSRMUX = "LSR";
    parameter SRMODE = "LSR_OVER_CE";
    parameter REGSET = "RESET";
    localparam START = REGSET == "SET";
    // Yosys writes the text "1" with a blank behind it.
    wire enable = CEMUX == "1" || CEMUX == "1 " || CE;
    initial begin
        Q = START;
        if (CLKMUX != "CLK" || LSRMUX != "LSR" || SRMODE != "LSR_OVER_CE"
            || CEMUX != "1" && CEMUX != "1 " && CEMUX != "CE") begin
            $display("ERROR: TRELLIS_FF in a mode that is not modelled");
            $finish;
        end
    end
    always @(posedge CLK)
        if (LSR) Q <= START;
        else if (enable) Q <= DI;
endmodule

module TRELLIS_DPR16X4(input [3:0] DI, WAD, RAD, input WRE, WCK, output [3:0] DO);
    parameter WCKMUX = "WCK";
    parameter WREMUX = "WRE";
    parameter [63:0] INITVAL = 0;
    reg [3:0] words [0:15];
    integer i;
    initial begin
        for (i = 0; i < 16; i = i + 1) words[i] = INITVAL[4*i +: 4];
        if (WCKMUX != "WCK" || WREMUX != "WRE") begin
            $display("ERROR: TRELLIS_DPR16X4 in a mode that is not modelled");
            $finish;
        end
    end
    always @(posedge WCK) if (WRE) words[WAD] <= DI;
    assign DO = words[RAD];
endmodule

// 2048 bytes of 9 bits behind two ports of 1 to 18 bits (36 where port A writes and port B reads
// alone). Address bits below a port's width are not used; at 18 and 36 bits they are byte enables.
// A bit read on one port while the other writes it is undefined in the part and comes out
// inverted here, so that a design that uses it fails.
module DP16KD(
    input DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9,
          DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0,
    input DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9,
          DIB8, DIB7, DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0,
    input ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0,
    input ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0,
    input CEA, OCEA, CLKA, WEA, RSTA, CSA2, CSA1, CSA0,
    input CEB, OCEB, CLKB, WEB, RSTB, CSB2, CSB1, CSB0,
    output DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9,
           DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1, DOA0,
    output DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9,
           DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1, DOB0);
    parameter DATA_WIDTH_A = 18;
    parameter DATA_WIDTH_B = 18;
    parameter REGMODE_A = "NOREG";
    parameter REGMODE_B = "NOREG";
    parameter RESETMODE = "SYNC";
    parameter ASYNC_RESET_RELEASE = "SYNC";
    parameter CSDECODE_A = "0b000";
    parameter CSDECODE_B = "0b000";
    parameter WRITEMODE_A = "NORMAL";
    parameter WRITEMODE_B = "NORMAL";
    parameter CLKAMUX = "CLKA";
    parameter CLKBMUX = "CLKB";
    parameter GSR = "DISABLED";
    parameter INIT_DATA = "STATIC";
    parameter [319:0] INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0;
    parameter [319:0] INITVAL_04 = 0, INITVAL_05 = 0, INITVAL_06 = 0, INITVAL_07 = 0;
    parameter [319:0] INITVAL_08 = 0, INITVAL_09 = 0, INITVAL_0A = 0, INITVAL_0B = 0;
    parameter [319:0] INITVAL_0C = 0, INITVAL_0D = 0, INITVAL_0E = 0, INITVAL_0F = 0;
    parameter [319:0] INITVAL_10 = 0, INITVAL_11 = 0, INITVAL_12 = 0, INITVAL_13 = 0;
    parameter [319:0] INITVAL_14 = 0, INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0;
    parameter [319:0] INITVAL_18 = 0, INITVAL_19 = 0, INITVAL_1A = 0, INITVAL_1B = 0;
    parameter [319:0] INITVAL_1C = 0, INITVAL_1D = 0, INITVAL_1E = 0, INITVAL_1F = 0;
    parameter [319:0] INITVAL_20 = 0, INITVAL_21 = 0, INITVAL_22 = 0, INITVAL_23 = 0;
    parameter [319:0] INITVAL_24 = 0, INITVAL_25 = 0, INITVAL_26 = 0, INITVAL_27 = 0;
    parameter [319:0] INITVAL_28 = 0, INITVAL_29 = 0, INITVAL_2A = 0, INITVAL_2B = 0;
    parameter [319:0] INITVAL_2C = 0, INITVAL_2D = 0, INITVAL_2E = 0, INITVAL_2F = 0;
    parameter [319:0] INITVAL_30 = 0, INITVAL_31 = 0, INITVAL_32 = 0, INITVAL_33 = 0;
    parameter [319:0] INITVAL_34 = 0, INITVAL_35 = 0, INITVAL_36 = 0, INITVAL_37 = 0;
    parameter [319:0] INITVAL_38 = 0, INITVAL_39 = 0, INITVAL_3A = 0, INITVAL_3B = 0;
    parameter [319:0] INITVAL_3C = 0, INITVAL_3D = 0, INITVAL_3E = 0, INITVAL_3F = 0;
    localparam WIDE = DATA_WIDTH_A == 36;
    localparam BYTES_A = DATA_WIDTH_A < 9 ? 1 : DATA_WIDTH_A / 9;
    localparam BYTES_B = DATA_WIDTH_B < 9 ? 1 : DATA_WIDTH_B / 9;
    localparam [8:0] MASK_A = DATA_WIDTH_A < 9 ? (1 << DATA_WIDTH_A) - 1 : 9'h1ff;
    localparam [8:0] MASK_B = DATA_WIDTH_B < 9 ? (1 << DATA_WIDTH_B) - 1 : 9'h1ff;

    reg [8:0] bytes [0:2047];
    integer i;
    // 16 words of 18 bits in each parameter, two bits unused behind every word.
    task load(input integer place, input [319:0] words);
        for (i = 0; i < 32; i = i + 1)
            bytes[32*place + i] = words[20*(i/2) + 9*(i%2) +: 9];
    endtask
    initial begin
        load(0, INITVAL_00); load(1, INITVAL_01); load(2, INITVAL_02); load(3, INITVAL_03);
        load(4, INITVAL_04); load(5, INITVAL_05); load(6, INITVAL_06); load(7, INITVAL_07);
        load(8, INITVAL_08); load(9, INITVAL_09); load(10, INITVAL_0A); load(11, INITVAL_0B);
        load(12, INITVAL_0C); load(13, INITVAL_0D); load(14, INITVAL_0E); load(15, INITVAL_0F);
        load(16, INITVAL_10); load(17, INITVAL_11); load(18, INITVAL_12); load(19, INITVAL_13);
        load(20, INITVAL_14); load(21, INITVAL_15); load(22, INITVAL_16); load(23, INITVAL_17);
        load(24, INITVAL_18); load(25, INITVAL_19); load(26, INITVAL_1A); load(27, INITVAL_1B);
        load(28, INITVAL_1C); load(29, INITVAL_1D); load(30, INITVAL_1E); load(31, INITVAL_1F);
        load(32, INITVAL_20); load(33, INITVAL_21); load(34, INITVAL_22); load(35, INITVAL_23);
        load(36, INITVAL_24); load(37, INITVAL_25); load(38, INITVAL_26); load(39, INITVAL_27);
        load(40, INITVAL_28); load(41, INITVAL_29); load(42, INITVAL_2A); load(43, INITVAL_2B);
        load(44, INITVAL_2C); load(45, INITVAL_2D); load(46, INITVAL_2E); load(47, INITVAL_2F);
        load(48, INITVAL_30); load(49, INITVAL_31); load(50, INITVAL_32); load(51, INITVAL_33);
        load(52, INITVAL_34); load(53, INITVAL_35); load(54, INITVAL_36); load(55, INITVAL_37);
        load(56, INITVAL_38); load(57, INITVAL_39); load(58, INITVAL_3A); load(59, INITVAL_3B);
        load(60, INITVAL_3C); load(61, INITVAL_3D); load(62, INITVAL_3E); load(63, INITVAL_3F);
        if (CSDECODE_A != "0b000" || CSDECODE_B != "0b000" || CLKAMUX != "CLKA"
            || CLKBMUX != "CLKB" || DATA_WIDTH_B == 36 && !WIDE) begin
            $display("ERROR: DP16KD in a mode that is not modelled");
            $finish;
        end
    end

    wire [35:0] dia = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7,
        DIB6, DIB5, DIB4, DIB3, DIB2, DIB1, DIB0, DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11,
        DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3, DIA2, DIA1, DIA0};
    wire [35:0] dib = {18'd0, dia[35:18]};
    wire [13:0] ada = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2,
        ADA1, ADA0};
    wire [13:0] adb = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2,
        ADB1, ADB0};
    wire [10:0] base_a = ada[13:3] & ~(BYTES_A - 11'd1);
    wire [10:0] base_b = adb[13:3] & ~(BYTES_B - 11'd1);
    wire [2:0] low_a = DATA_WIDTH_A < 9 ? ada[2:0] & ~(DATA_WIDTH_A - 3'd1) : 3'd0;
    wire [2:0] low_b = DATA_WIDTH_B < 9 ? adb[2:0] & ~(DATA_WIDTH_B - 3'd1) : 3'd0;
    wire [3:0] write_a = {4{CEA & WEA & ~CSA0 & ~CSA1 & ~CSA2}}
        & (DATA_WIDTH_A >= 18 ? ada[3:0] : 4'd1) & ((1 << BYTES_A) - 1);
    wire [3:0] write_b = {4{CEB & WEB & ~CSB0 & ~CSB1 & ~CSB2 & !WIDE}}
        & (DATA_WIDTH_B >= 18 ? adb[3:0] : 4'd1) & ((1 << BYTES_B) - 1);
    wire [8:0] mask_a = MASK_A << low_a;
    wire [8:0] mask_b = MASK_B << low_b;


    // Bits of a byte that the port is writing.
    function [8:0] hit_a(input [10:0] at);
        hit_a = (at & ~(BYTES_A - 11'd1)) == base_a && write_a[at & (BYTES_A - 11'd1)]
            ? mask_a : 9'd0;
    endfunction
    function [8:0] hit_b(input [10:0] at);
        hit_b = (at & ~(BYTES_B - 11'd1)) == base_b && write_b[at & (BYTES_B - 11'd1)]
            ? mask_b : 9'd0;
    endfunction

    reg [35:0] latch_a = 0, latch_b = 0, register_a = 0, register_b = 0;
    reg [8:0] was_a, now_a, was_b, now_b;
    integer j, k;
    always @(posedge CLKA) begin
        for (j = 0; j < BYTES_A; j = j + 1) begin
            was_a = bytes[base_a + j];
            now_a = was_a & ~mask_a | (dia[9*j +: 9] << low_a) & mask_a;
            if (write_a[j]) bytes[base_a + j] <= now_a;
            if (write_a[j] && WRITEMODE_A == "WRITETHROUGH") was_a = now_a;
            was_a = was_a ^ hit_b(base_a + j);
            if (CEA && !(WEA && WRITEMODE_A == "NORMAL"))
                latch_a[9*j +: 9] <= (was_a >> low_a) & MASK_A;
        end
        if (OCEA) register_a <= latch_a;
        if (RSTA) begin
            latch_a <= 0;
            register_a <= 0;
        end
    end
    always @(posedge CLKB) begin
        for (k = 0; k < BYTES_B; k = k + 1) begin
            was_b = bytes[base_b + k];
            now_b = was_b & ~mask_b | (dib[9*k +: 9] << low_b) & mask_b;
            if (write_b[k]) bytes[base_b + k] <= now_b;
            if (write_b[k] && WRITEMODE_B == "WRITETHROUGH") was_b = now_b;
            was_b = was_b ^ hit_a(base_b + k);
            if (CEB && !(WEB && WRITEMODE_B == "NORMAL"))
                latch_b[9*k +: 9] <= (was_b >> low_b) & MASK_B;
        end
        if (OCEB) register_b <= latch_b;
        if (RSTB) begin
            latch_b <= 0;
            register_b <= 0;
        end
    end
    // A reset, where there is one, is modelled as a synchronous one.
    wire bad_reset = RESETMODE != "SYNC" && (RSTA || RSTB);
    always @(posedge bad_reset) begin
        $display("ERROR: DP16KD with an asynchronous reset");
        $finish;
    end

    wire [35:0] out_a = REGMODE_A == "OUTREG" ? register_a : latch_a;
    wire [35:0] out_b = REGMODE_B == "OUTREG" ? register_b : latch_b;
    assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5,
        DOA4, DOA3, DOA2, DOA1, DOA0} = WIDE ? out_b[17:0] : out_a[17:0];
    assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5,
        DOB4, DOB3, DOB2, DOB1, DOB0} = DATA_WIDTH_B == 36 ? out_b[35:18] : out_b[17:0];
endmodule

// Product of two operands of 18 bits, each signed or not, with registers where their clock is CLK0.
module MULT18X18D(
    input A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0,
    input B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0,
    input C17, C16, C15, C14, C13, C12, C11, C10, C9, C8, C7, C6, C5, C4, C3, C2, C1, C0,
    input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB, CLK0, CE0, RST0,
    output P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19,
           P18, P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0);
    parameter REG_INPUTA_CLK = "NONE";
    parameter REG_INPUTA_CE = "CE0";
    parameter REG_INPUTA_RST = "RST0";
    parameter REG_INPUTB_CLK = "NONE";
    parameter REG_INPUTB_CE = "CE0";
    parameter REG_INPUTB_RST = "RST0";
    parameter REG_PIPELINE_CLK = "NONE";
    parameter REG_PIPELINE_CE = "CE0";
    parameter REG_PIPELINE_RST = "RST0";
    parameter REG_OUTPUT_CLK = "NONE";
    parameter REG_OUTPUT_CE = "CE0";
    parameter REG_OUTPUT_RST = "RST0";
    parameter CLK0_DIV = "ENABLED";
    parameter GSR = "ENABLED";
    parameter SOURCEB_MODE = "B_SHIFT";
    parameter RESETMODE = "SYNC";

    function [0:0] modelled(input [31:0] clock, input [23:0] enable, input [31:0] reset);
        modelled = clock == "NONE" || clock == "CLK0" && enable == "CE0" && reset == "RST0";
    endfunction
    initial if (!modelled(REG_INPUTA_CLK, REG_INPUTA_CE, REG_INPUTA_RST)
                || !modelled(REG_INPUTB_CLK, REG_INPUTB_CE, REG_INPUTB_RST)
                || !modelled(REG_PIPELINE_CLK, REG_PIPELINE_CE, REG_PIPELINE_RST)
                || !modelled(REG_OUTPUT_CLK, REG_OUTPUT_CE, REG_OUTPUT_RST)
                || CLK0_DIV != "ENABLED" || RESETMODE != "SYNC") begin
        $display("ERROR: MULT18X18D in a mode that is not modelled");
        $finish;
    end
    wire bad_source = SOURCEA || SOURCEB;
    always @(posedge bad_source) begin
        $display("ERROR: MULT18X18D fed from its neighbor");
        $finish;
    end

    // The sign of an operand goes with it.
    wire signed [18:0] a = {SIGNEDA & A17, A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6,
        A5, A4, A3, A2, A1, A0};
    wire signed [18:0] b = {SIGNEDB & B17, B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6,
        B5, B4, B3, B2, B1, B0};
    reg signed [18:0] a_held = 0, b_held = 0;
    reg [35:0] pipeline = 0, held = 0;
    wire signed [18:0] left = REG_INPUTA_CLK == "NONE" ? a : a_held;
    wire signed [18:0] right = REG_INPUTB_CLK == "NONE" ? b : b_held;
    wire signed [37:0] product = left * right;
    wire [35:0] piped = REG_PIPELINE_CLK == "NONE" ? product[35:0] : pipeline;
    always @(posedge CLK0)
        if (RST0) begin
            a_held <= 0;
            b_held <= 0;
            pipeline <= 0;
            held <= 0;
        end else if (CE0) begin
            a_held <= a;
            b_held <= b;
            pipeline <= product[35:0];
            held <= piped;
        end
    assign {P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19,
        P18, P17, P16, P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0}
        = REG_OUTPUT_CLK == "NONE" ? piped : held;
endmodule
